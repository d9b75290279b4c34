"""Linking a made-up bundle with the real staticx: what comes out, and that it is the same each time."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from support import compile_c, need_program, sha256

from freezer.base.elf import read_elf
from freezer.base.errors import EnvironmentFailure
from freezer.base.log import Log
from freezer.closure.close import ClosedApp
from freezer.closure.libraries import Missing
from freezer.freeze.pyinstaller import FrozenApp
from freezer.link.linkers import LINKERS, StaticApp
from freezer.plan.build import Plan
from freezer.plan.choices import MANIFEST, Linker
from freezer.plan.resolve import resolve
from freezer.prove.unpack import find_archive
from freezer.store.workspace import workspace

PROGRAM = """
#include <stdio.h>
int main(int argc, char **argv) { printf("%d %s\\n", argc, argv[argc - 1]); return argc; }
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "app.py").write_text("")
    return resolve({"entry": "app.py"}, folder=tmp_path, environ={"SOURCE_DATE_EPOCH": "1000000000"})


def closed_app(folder: Path) -> ClosedApp:
    """A tree as freezing and closing leave one: a program, its loader and C library, and some contents."""
    tree = folder / "tree"
    (tree / "_internal" / "empty").mkdir(parents=True)
    program = compile_c(PROGRAM, tree / "app")
    program.chmod(0o700)
    interpreter = read_elf(program).interpreter
    assert interpreter is not None
    shutil.copy(interpreter, tree)
    compiler = need_program("cc")
    libc = subprocess.check_output([compiler, "-print-file-name=libc.so.6"], text=True).strip()
    shutil.copy(libc, tree)
    (tree / "_internal" / "data").write_text("data")
    (tree / "_internal" / "link").symlink_to("data")
    frozen = FrozenApp(tree, "app", frozenset(), {}, (), (), (), False)
    return ClosedApp(
        frozen=frozen,
        interpreter=os.path.basename(interpreter),
        python=program,
        libraries=("libc.so.6",),
        missing=(Missing("libgone.so.1", program),),
        provided=(),
    )


def link(plan: Plan, folder: Path) -> StaticApp:
    folder.mkdir()
    with workspace(folder / "cache", "app", keep=True, log=Log(stream=io.StringIO())) as job:
        return LINKERS[Linker.STATICX](plan, closed_app(folder), job)


def test_the_result_runs(plan: Plan, tmp_path: Path) -> None:
    linked = link(plan, tmp_path / "one")
    assert linked.size == linked.path.stat().st_size
    elf = read_elf(linked.path)
    assert (elf.interpreter, elf.needed) == (None, ())
    assert linked.path.stat().st_mode & 0o777 == 0o755
    done = subprocess.run([linked.path, "a", "b c"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "3 b c\n")


def test_the_archive_says_nothing_of_who_made_it(plan: Plan, tmp_path: Path) -> None:
    linked = link(plan, tmp_path / "one")
    place = find_archive(linked.path)
    assert place is not None
    content = linked.path.read_bytes()[place[0] : sum(place)]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {member.name: member for member in archive}
        manifest = archive.extractfile(MANIFEST)
        assert manifest is not None
        assert json.load(manifest) == {"missing_libraries": ["libgone.so.1"]}
    assert {"_internal/data", "_internal/link", "libc.so.6", MANIFEST} <= set(members)
    for member in members.values():
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        if member.name != MANIFEST:
            assert member.mtime == 1_000_000_000
            assert member.mode in (0o755, 0o644)
    assert members["_internal/link"].linkname == "data"


def test_same_tree_same_bytes(plan: Plan, tmp_path: Path) -> None:
    first = link(plan, tmp_path / "one")
    previous = os.umask(0o077)
    try:
        second = link(plan, tmp_path / "other place")
    finally:
        os.umask(previous)
    assert sha256(first.path) == sha256(second.path)


def test_missing_programs(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.base.tools.find", lambda _name: None)
    with pytest.raises(EnvironmentFailure, match="objcopy"):
        link(plan, tmp_path / "one")
