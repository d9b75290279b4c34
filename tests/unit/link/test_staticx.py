"""Linking a made-up bundle with the real staticx: what comes out, and that it is the same each time."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from support import compile_c, need_program, sha256

from freezer.base.elf import read_elf
from freezer.base.errors import EnvironmentFailure
from freezer.base.log import Log
from freezer.link.payload.pack import Record, Type
from freezer.link.start import PROGRAM
from freezer.link.staticx import pack
from freezer.plan.choices import MANIFEST
from freezer.prove.unpack import find_archive
from freezer.store.workspace import workspace

EPOCH = 1_000_000_000
SOURCE = """
#include <stdio.h>
int main(int argc, char **argv) { printf("%d %s\\n", argc, argv[argc - 1]); return argc; }
"""


def records(folder: Path) -> list[Record]:
    """A made-up tree: a program, its loader and C library, and some contents."""
    program = compile_c(SOURCE, folder / "compiled")
    program.chmod(0o700)
    interpreter = read_elf(program).interpreter
    assert interpreter is not None
    libc = subprocess.check_output([need_program("cc"), "-print-file-name=libc.so.6"], text=True).strip()
    return [
        Record(Type.DIRECTORY, "_internal"),
        Record(Type.DIRECTORY, "_internal/empty"),
        Record(Type.FILE, MANIFEST, data=b"{}\n"),
        Record(Type.FILE, "_internal/data", data=b"data"),
        Record(Type.EXECUTABLE, PROGRAM, source=program),
        Record(Type.EXECUTABLE, os.path.basename(interpreter), source=Path(interpreter)),
        Record(Type.EXECUTABLE, "libc.so.6", source=Path(libc)),
        Record(Type.LINK, "_internal/link", data=b"data"),
    ]


def link(folder: Path, *, small: bool = False) -> Path:
    folder.mkdir()
    with workspace(folder / "cache", "app", keep=True, log=Log(stream=io.StringIO())) as job:
        pack(records(folder), folder / "app", job, small=small, epoch=EPOCH)
    (folder / "app").chmod(0o755)
    return folder / "app"


@pytest.mark.parametrize("small", [False, True])
def test_the_result_runs(tmp_path: Path, small: bool) -> None:
    path = link(tmp_path / "one", small=small)
    elf = read_elf(path)
    assert (elf.interpreter, elf.needed) == (None, ())
    done = subprocess.run([path, "a", "b c"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "3 b c\n")


def test_the_archive_says_nothing_of_who_made_it(tmp_path: Path) -> None:
    path = link(tmp_path / "one")
    place = find_archive(path)
    assert place is not None
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes()[place[0] : sum(place)])) as archive:
        members = {member.name: member for member in archive}
    assert {"_internal/data", "_internal/link", "_internal/empty", "libc.so.6", MANIFEST} <= set(members)
    for member in members.values():
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert (member.mtime, member.mode) in ((EPOCH, 0o755), (EPOCH, 0o644))
    assert members["_internal/link"].linkname == "data"
    assert members["_internal/data"].mode == 0o644 and members[PROGRAM].mode == 0o755
    assert members[".staticx.prog"].linkname == PROGRAM


def test_same_tree_same_bytes(tmp_path: Path) -> None:
    first = link(tmp_path / "one")
    previous = os.umask(0o077)
    try:
        second = link(tmp_path / "other place")
    finally:
        os.umask(previous)
    assert sha256(first) == sha256(second)


def test_missing_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.base.tools.find", lambda _name: None)
    with pytest.raises(EnvironmentFailure, match="objcopy"):
        link(tmp_path / "one")
