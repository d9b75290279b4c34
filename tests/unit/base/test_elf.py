"""The ELF files are tiny ones, made by the compiler and read by the loader; a few damaged ones are made by hand."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Optional

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import compile_c

from freezer.base.elf import NotElf, find_elves, is_elf, read_elf
from freezer.closure.libraries import closure
from freezer.system.loader import loader_directories

SHARED = ("-shared", "-fPIC", "-Wl,--no-as-needed", "-nostdlib")
NEW, OLD = "-Wl,--enable-new-dtags", "-Wl,--disable-new-dtags"


def library(path: Path, *options: str, needs: tuple[Path, ...] = (), soname: Optional[str] = None) -> Path:
    name = soname or path.name
    return compile_c(f"int f_{len(path.name)}(void) {{ return 1; }}", path, *SHARED, f"-Wl,-soname,{name}", *options,
                     libraries=needs)  # fmt: skip


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
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


def test_find_elves(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("z.so", "b/a.so"):
        (tmp_path / name).write_bytes(plain.read_bytes())
    (tmp_path / "damaged.so").write_bytes(plain.read_bytes()[:80])
    (tmp_path / "text").write_text("no")
    (tmp_path / "link.so").symlink_to("z.so")
    assert [str(elf.path.relative_to(tmp_path)) for elf in find_elves(tmp_path)] == ["z.so", "b/a.so"]


# The closure


def test_closure(tmp_path: Path) -> None:
    far = library(tmp_path / "system/libfar.so.1")
    near = library(tmp_path / "system/libnear.so.1", needs=(far,))
    inside = library(tmp_path / "bundle/libinside.so.1")
    gone = library(tmp_path / "libgone.so.1")
    root = library(tmp_path / "bundle/root.so", needs=(near, inside, gone))
    extra = library(tmp_path / "system/libextra.so.1")
    gone.unlink()
    found = closure(
        [read_elf(root)],
        bundled={"libinside.so.1": inside},
        directories=[tmp_path / "nowhere", tmp_path / "system"],
        extra=("libextra.so.1", "libabsent.so.9", "libinside.so.1"),
    )
    assert found.libraries == {"libnear.so.1": near, "libfar.so.1": far, "libextra.so.1": extra}
    assert [(item.soname, item.needed_by) for item in found.missing] == [("libgone.so.1", root)]
    assert found.foreign == ()


def test_closure_uses_the_place_a_file_came_from(tmp_path: Path) -> None:
    own = library(tmp_path / "site/package.libs/libown.so")
    module = library(tmp_path / "bundle/module.so", NEW, "-Wl,-rpath,$ORIGIN/../package.libs", needs=(own,))
    elf = read_elf(module)
    assert closure([elf], bundled={}, directories=[]).missing
    found = closure([elf], bundled={}, directories=[], origins={module: tmp_path / "site/package"})
    assert found.libraries == {"libown.so": own}


def test_closure_skips_libraries_for_other_machines(tmp_path: Path) -> None:
    needed = library(tmp_path / "good/lib.so.1")
    root = library(tmp_path / "root.so", needs=(needed,))
    image = bytearray(needed.read_bytes())
    image[18:20] = (183 if image[18] != 183 else 62).to_bytes(2, "little")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/lib.so.1").write_bytes(image)
    (tmp_path / "text").mkdir()
    (tmp_path / "text/lib.so.1").write_text("INPUT(lib.so.2)")
    others = [tmp_path / "text", tmp_path / "foreign"]
    found = closure([read_elf(root)], bundled={}, directories=[*others, tmp_path / "good"])
    assert (found.libraries, found.foreign) == ({"lib.so.1": needed}, ())
    found = closure([read_elf(root)], bundled={}, directories=others)
    assert [item.soname for item in found.foreign] == ["lib.so.1"]
    assert [item.soname for item in found.missing] == ["lib.so.1"]


def test_closure_of_a_library_needed_by_its_path(tmp_path: Path) -> None:
    odd = library(tmp_path / "odd/libodd.so", soname=str(tmp_path / "odd/libodd.so"))
    root = library(tmp_path / "root.so", needs=(odd,))
    assert read_elf(root).needed == (str(odd),)
    assert closure([read_elf(root)], bundled={}, directories=[]).libraries == {"libodd.so": odd}


def test_closure_of_nothing() -> None:
    assert closure([], bundled={}, directories=[]).libraries == {}


def test_loader_directories(tmp_path: Path) -> None:
    conf = tmp_path / "etc/ld.so.conf.d"
    conf.mkdir(parents=True)
    (tmp_path / "etc/ld.so.conf").write_text("include ld.so.conf.d/*.conf\n/opt/last # why\nrelative\n\n")
    (conf / "b.conf").write_text("/opt/b\n")
    (conf / "a.conf").write_text("# none\n/opt/a\ninclude /etc/ld.so.conf.d/a.conf\n")
    (conf / "ignored.txt").write_text("/opt/never\n")
    found = [str(path.relative_to(tmp_path)) for path in loader_directories(tmp_path, "EM_X86_64")]
    assert found[:3] == ["opt/a", "opt/b", "opt/last"]
    assert found[3:5] == ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"]
    assert "usr/lib" in found
    assert len(found) == len(set(found))


def test_loader_directories_without_configuration(tmp_path: Path) -> None:
    found = loader_directories(tmp_path, "EM_UNHEARD_OF")
    assert found == [tmp_path / name for name in ("lib64", "usr/lib64", "lib", "usr/lib")]
