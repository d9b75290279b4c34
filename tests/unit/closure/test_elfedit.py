"""Edits of tiny ELF files, made by the compiler, and what the dynamic loader then does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import NEW_TAGS as NEW
from support import OLD_TAGS as OLD
from support import compile_c

from freezer.base.elf import read_elf
from freezer.closure.elfedit import clear_executable_stack, forbid_default_directories, set_rpath_in_place


def library(path: Path, *options: str) -> Path:
    return compile_c("int f(void) { return 1; }", path, "-shared", "-fPIC", "-nostdlib", *options)


@pytest.mark.parametrize("kind", [NEW, OLD])
@pytest.mark.parametrize(
    ("before", "entries", "possible"),
    [
        ("/opt/lib:$ORIGIN/../libs", ["$ORIGIN/../libs"], True),
        ("$ORIGIN/libs", ["$ORIGIN/libs"], True),
        ("/opt/lib", [], True),
        ("/opt/lib:$ORIGIN", ["$ORIGIN"], True),
        ("$ORIGIN:/opt/lib", ["$ORIGIN"], False),
        ("/opt/lib", ["$ORIGIN"], False),
    ],
)
def test_set_rpath_in_place(tmp_path: Path, kind: str, before: str, entries: list[str], possible: bool) -> None:
    path = library(tmp_path / "lib.so", kind, f"-Wl,-rpath,{before}")
    original = path.read_bytes()
    assert set_rpath_in_place(read_elf(path), entries) is possible
    after = read_elf(path)
    if not possible:
        assert path.read_bytes() == original
        return
    assert list(after.rpath) == entries
    assert after.runpath == ()
    assert len(path.read_bytes()) == len(original)


def test_the_loader_believes_the_edit(tmp_path: Path) -> None:
    """What counts is what the loader does: it finds the library in the kept entry, and not in the dropped one."""
    soname = "-Wl,-soname,libvalue.so"
    for folder, value in (("gone", 1), ("kept", 2)):
        source = f"int value(void) {{ return {value}; }}"
        compile_c(source, tmp_path / folder / "libvalue.so", "-shared", "-fPIC", soname)
    main = "int value(void); int main(void) { return value(); }"
    rpath = f"-Wl,-rpath,{tmp_path}/gone:$ORIGIN/kept"
    program = compile_c(main, tmp_path / "program", NEW, rpath, libraries=[tmp_path / "kept/libvalue.so"])
    environment = {"PATH": os.environ["PATH"]}
    assert subprocess.run([program], env=environment, check=False).returncode == 1
    assert set_rpath_in_place(read_elf(program), ["$ORIGIN/kept"])
    assert subprocess.run([program], env=environment, check=False).returncode == 2


def test_clear_executable_stack(tmp_path: Path) -> None:
    path = library(tmp_path / "lib.so", "-Wl,-z,execstack")
    assert read_elf(path).executable_stack
    size = path.stat().st_size
    clear_executable_stack(path)
    assert not read_elf(path).executable_stack
    assert path.stat().st_size == size


@pytest.mark.parametrize("options", [[], ["-Wl,-z,now"]], ids=["a free tag", "a tag that is there"])
def test_default_directories_are_forbidden(tmp_path: Path, options: list[str]) -> None:
    """The C library is in one of them."""
    program = compile_c("int main(void) { return 3; }", tmp_path / "program", *options)
    size = program.stat().st_size
    assert subprocess.run([program], check=False).returncode == 3
    assert forbid_default_directories(program)
    assert program.stat().st_size == size
    done = subprocess.run([program], capture_output=True, check=False)
    assert done.returncode == 127 and b"cannot open shared object file" in done.stderr


def test_no_room_to_forbid_default_directories(tmp_path: Path) -> None:
    path = library(tmp_path / "lib.so", "-Wl,--spare-dynamic-tags=0")
    content = path.read_bytes()
    assert not forbid_default_directories(path)
    assert path.read_bytes() == content


def test_a_tag_that_the_loader_can_do_without_makes_room(tmp_path: Path) -> None:
    """An empty search path, or the count of relative relocations of a library that still works without it."""
    path = library(tmp_path / "lib.so", "-Wl,--spare-dynamic-tags=0", OLD, "-Wl,-rpath,/opt/lib")
    assert set_rpath_in_place(read_elf(path), [])
    assert forbid_default_directories(path)
    source = "static int a; int *pointers[] = {&a, &a}; int *f(void) { return pointers[1]; }"
    counted = compile_c(
        source, tmp_path / "libcounted.so", "-shared", "-fPIC", "-nostdlib", "-Wl,--spare-dynamic-tags=0"
    )
    assert forbid_default_directories(counted)
    caller = "int *f(void); int main(void) { return !f(); }"
    options = ("-Wl,--no-as-needed", str(counted), f"-Wl,-rpath,{tmp_path}")
    compile_c(caller, tmp_path / "main", *options)
    assert subprocess.run([tmp_path / "main"], check=False).returncode == 0


def test_a_file_that_loads_nothing(tmp_path: Path) -> None:
    program = compile_c("int main(void) { return 0; }", tmp_path / "app", "-static", "-no-pie")
    content = program.read_bytes()
    assert forbid_default_directories(program) and program.read_bytes() == content
