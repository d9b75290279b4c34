"""The ELF files are tiny ones, made by the compiler and read by the loader; a few damaged ones are made by hand."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import NEW_TAGS as NEW
from support import OLD_TAGS as OLD
from support import compile_c
from support import shared_library as library

from freezer.base.elf import find_elves, is_elf, read_elf
from freezer.base.elf_file import NotElf


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return library(tmp_path_factory.mktemp("plain") / "libplain.so.1")


def test_library(plain: Path, tmp_path: Path) -> None:
    user = library(tmp_path / "libuser.so.2", NEW, "-Wl,-rpath,/a:$ORIGIN/b", needs=(plain,))
    elf = read_elf(user)
    assert (elf.kind, elf.interpreter, elf.dynamic, elf.soname) == ("ET_DYN", None, True, "libuser.so.2")
    assert elf.needed == ("libplain.so.1",)
    assert (elf.rpath, elf.runpath) == ((), ("/a", "$ORIGIN/b"))
    assert elf.is_library
    assert elf.search_entries(Path("/o")) == [Path("/a"), Path("/o/b")]
    assert not elf.executable_stack


def test_program(tmp_path: Path) -> None:
    elf = read_elf(compile_c("int main(void) { return 0; }", tmp_path / "program", OLD, "-Wl,-rpath,/old"))
    assert elf.interpreter and elf.dynamic and not elf.is_library
    assert (elf.rpath, elf.runpath) == (("/old",), ())
    assert elf.machine.startswith("EM_")
    assert elf.bits in (32, 64)
    static = read_elf(compile_c("int main(void) { return 0; }", tmp_path / "static", "-static"))
    assert (static.interpreter, static.needed, static.is_library) == (None, (), False)


def test_runpath_hides_rpath(plain: Path) -> None:
    elf = replace(read_elf(plain), rpath=("/r",), runpath=("${ORIGIN}/../l", ""))
    assert elf.search_entries(Path("/o/p")) == [Path("/o/l")]


@pytest.mark.parametrize("content", [b"", b"\x7fEL", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF" + b"\xff" * 100])
def test_not_elf(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(NotElf):
        read_elf(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=150)
@given(st.lists(st.tuples(st.integers(4, 2000), st.integers(0, 255)), max_size=8), st.integers(4, 20000))
def test_a_damaged_file_is_refused_or_read(plain: Path, edits: list[tuple[int, int]], length: int) -> None:
    image = bytearray(plain.read_bytes()[:length])
    for place, value in edits:
        if place < len(image):
            image[place] = value
    damaged = plain.with_name("damaged")
    damaged.write_bytes(image)
    with contextlib.suppress(NotElf):
        read_elf(damaged)


def test_is_elf_of_odd_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "directory-like")
    assert not is_elf(tmp_path)
    assert not is_elf(tmp_path / "missing")


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not is_elf(tmp_path / "pipe")
    with pytest.raises(NotElf):
        read_elf(tmp_path / "pipe")


def test_find_elves(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("z.so", "b/a.so"):
        (tmp_path / name).write_bytes(plain.read_bytes())
    (tmp_path / "damaged.so").write_bytes(plain.read_bytes()[:80])
    (tmp_path / "text").write_text("no")
    (tmp_path / "link.so").symlink_to("z.so")
    assert [str(elf.path.relative_to(tmp_path)) for elf in find_elves(tmp_path)] == ["z.so", "b/a.so"]
