"""The shared libraries that a set of ELF files needs, found as the loader finds them."""

from __future__ import annotations

from pathlib import Path

from support import NEW_TAGS as NEW
from support import shared_library as library

from freezer.base.elf import read_elf
from freezer.closure.libraries import closure


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
