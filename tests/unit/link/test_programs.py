"""Programs among the application's data, which start by the loader of the tree."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import compile_c, need_program

from freezer.base.elf import read_elf
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.link.layers import at
from freezer.link.payload.pack import Record, Type
from freezer.link.programs import with_tree_loader
from freezer.link.start import Container
from freezer.store.workspace import workspace

NAME = "_internal/pack/bin/tool"
SOURCE = """
#include <stdio.h>
int main(void)
{
    char line[4096];
    FILE *file = fopen("/proc/self/maps", "r");
    while (file && fgets(line, sizeof line, file))
        fputs(line, stdout);
    return 3;
}
"""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    need_program("patchelf")
    with workspace(tmp_path / "cache", "programs", keep=False, log=Log()) as found:
        yield found


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    return compile_c(SOURCE, tmp_path / "tool")


def loader_of(program: Path) -> Path:
    named = read_elf(program).interpreter
    assert named is not None
    return Path(named)


def test_a_program_starts_in_the_tree(tmp_path: Path, tool: Path, job: Job) -> None:
    tree = tmp_path / "tree"
    loader = loader_of(tool)
    program = tree / NAME
    program.parent.mkdir(parents=True)
    shutil.copy(loader, tree)
    listed = subprocess.run(["ldd", str(tool)], stdout=subprocess.PIPE, check=True).stdout.decode()
    shutil.copy(next(word for word in listed.split() if word.endswith("/libc.so.6")), tree)
    (changed,) = with_tree_loader([Record(Type.EXECUTABLE, NAME, source=tool)], loader.name, Container.LAYERS, job)
    program.write_bytes(at(str(tree), changed).data)
    program.chmod(0o755)
    done = subprocess.run([str(program)], stdout=subprocess.PIPE, check=False)
    mapped = {line.split()[-1] for line in done.stdout.decode().splitlines() if ".so" in line}
    assert (done.returncode, mapped) == (3, {str(tree / loader.name), str(tree / "libc.so.6")})


def test_others_stay_as_they_are(tmp_path: Path, tool: Path, job: Job) -> None:
    loader = loader_of(tool).name
    joined = tmp_path / "joined"
    joined.write_bytes(tool.read_bytes() + b"a script, which the program finds by its distance from the end")
    script = tmp_path / "script"
    script.write_text("#!/bin/sh")
    library = compile_c("int f(void) { return 1; }", tmp_path / "libf.so", "-shared")
    static = compile_c("int main(void) { return 1; }", tmp_path / "static", "-static")
    records = [
        Record(Type.EXECUTABLE, f"_internal/{path.name}", source=path) for path in (joined, script, library, static)
    ]
    records += [Record(Type.FILE, NAME, source=tool), Record(Type.EXECUTABLE, "other", data=tool.read_bytes())]
    assert with_tree_loader(records, loader, Container.LAUNCHER, job) == records
    program = [Record(Type.EXECUTABLE, NAME, source=tool)]
    assert with_tree_loader(program, "ld-other.so.1", Container.LAUNCHER, job) == program
    assert with_tree_loader(program, loader, Container.STATICX, job) == program
