"""Hostile archives are refused, and nothing outside the directory changes; payloads are in test_native_read.py."""

from __future__ import annotations

import contextlib
import lzma
import os
import struct
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Optional

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from images import Entry, archive, file, folder, link
from support import compile_c, need_program, snapshot

from freezer.base.errors import InputError
from freezer.link.drivers.staticx_internals import SECTION
from freezer.link.payload import pack as payload
from freezer.link.payload.pack import Record, Type
from freezer.plan.choices import Linker, Packing
from freezer.prove import unpack
from freezer.prove.unpack import Unpacked, find_archive, has_bundle, unpack_bundle


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need_program("objcopy")
    return compile_c("int main(void) { return 0; }", tmp_path_factory.mktemp("program") / "program", "-static")


@pytest.fixture
def linked(program: Path, tmp_path: Path) -> Callable[[bytes], Path]:
    """Makes an executable with an archive as staticx does."""

    def link_archive(content: bytes) -> Path:
        data, path = tmp_path / "archive.tar", tmp_path / "linked"
        data.write_bytes(content)
        section = f"{SECTION}={data}"
        subprocess.run(["objcopy", "--add-section", section, program, path], check=True)
        return path

    return link_archive


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """Where archives are unpacked; beside it is a file that must never change."""
    place = tmp_path / "place"
    place.mkdir()
    (place / "sentinel").write_text("untouched")
    (place / "other").mkdir()
    return place / "bundle"


GOOD: tuple[Entry, ...] = (
    folder("d"),
    file("d/run", b"program", mode=0o755),
    file("d/data", b"data", mode=0o600),
    file("implied/parent/file"),
    link("l", "d/data"),
    link("d/up", "../d/run"),
)


@pytest.mark.parametrize("pack", [bytes, lzma.compress], ids=["plain", "xz"])
def test_good(linked: Callable[[bytes], Path], inside: Path, pack: Callable[[bytes], bytes]) -> None:
    previous = os.umask(0o077)  # whatever it is, another user must be able to read the result
    try:
        assert unpack_bundle(linked(pack(archive(*GOOD))), inside)
    finally:
        os.umask(previous)
    assert (inside / "l").read_bytes() == b"data"
    assert (inside / "d/up").read_bytes() == b"program"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (inside, *inside.rglob("*")) if not path.is_symlink()}
    assert modes["run"] == 0o755
    assert modes["data"] == 0o644
    assert {modes[name] for name in ("bundle", "d", "implied", "parent")} == {0o755}


def test_no_archive(program: Path, inside: Path) -> None:
    assert find_archive(program) is None
    assert not has_bundle(program)
    assert unpack_bundle(program, inside) is None
    assert not inside.exists()


def test_what_is_known_of_a_bundle(linked: Callable[[bytes], Path], inside: Path) -> None:
    entries = [file("app", mode=0o755), file("ld.so.2"), link("ld.so", "ld.so.2")]
    entries += [link(".staticx.prog", "app"), link(".staticx.interp", "ld.so")]
    path = linked(archive(*entries))
    assert has_bundle(path)
    assert unpack_bundle(path, inside) == Unpacked(inside, Linker.STATICX, "app", "ld.so.2")
    for number, odd in enumerate(([], [link(".staticx.prog", "gone")], [folder(".staticx.prog")])):
        place = inside.with_name(str(number))
        assert unpack_bundle(linked(archive(file("app"), *odd)), place) == Unpacked(place, Linker.STATICX, None, None)


def test_files(linked: Callable[[bytes], Path], inside: Path) -> None:
    found = unpack_bundle(linked(archive(*GOOD)), inside)
    assert found is not None
    assert found.files() == {"d/run": 7, "d/data": 4, "implied/parent/file": 1}


def native(program: Path, output: Path, *records: Record) -> Path:
    payload.write(program, records, Packing.NONE, output)
    return output


@pytest.mark.parametrize(
    ("interpreter", "loader"),
    [("/ld.so", "ld-2.so"), ("//d/../ld.so", None), ("/gone.so", None), ("/d", None), ("/ld.so\0/etc", "ld-2.so")],
)
def test_native(program: Path, tmp_path: Path, inside: Path, interpreter: str, loader: Optional[str]) -> None:
    """The runner's interpreter is below the tree, and has room behind it for the tree's path."""
    started = compile_c("int main(void) { return 0; }", tmp_path / "run", f"-Wl,--dynamic-linker=/@@{'@' * 60}")
    data = started.read_bytes().replace(f"/@@{'@' * 60}".encode(), interpreter.encode().ljust(63, b"\0"))
    records = [
        Record(Type.DIRECTORY, "d"),
        Record(Type.EXECUTABLE, "program", data=data),
        Record(Type.EXECUTABLE, "ld-2.so", data=b"loader"),
        Record(Type.LINK, "ld.so", data=b"ld-2.so"),
    ]
    path = native(program, tmp_path / "app", *records)
    assert has_bundle(path)
    assert find_archive(path) is None
    found = unpack_bundle(path, inside)
    assert found == Unpacked(inside, Linker.NATIVE, "program", loader)
    assert found.files() == {"program": len(data), "ld-2.so": 6}


def test_native_with_a_program_that_is_no_elf(program: Path, tmp_path: Path, inside: Path) -> None:
    path = native(program, tmp_path / "app", Record(Type.EXECUTABLE, "program", data=b"#!/bin/sh\n"))
    assert unpack_bundle(path, inside) == Unpacked(inside, Linker.NATIVE, "program", None)


@pytest.mark.parametrize(
    "records",
    [
        [],
        [Record(Type.DIRECTORY, "program")],
        [Record(Type.FILE, "x"), Record(Type.LINK, "program", data=b"x")],
    ],
)
def test_native_without_a_program(program: Path, tmp_path: Path, inside: Path, records: list[Record]) -> None:
    with pytest.raises(InputError, match="app is damaged"):
        unpack_bundle(native(program, tmp_path / "app", *records), inside)


def test_native_links_that_lead_out_together(program: Path, tmp_path: Path, inside: Path) -> None:
    records = [
        Record(Type.DIRECTORY, "d"),
        Record(Type.EXECUTABLE, "program"),
        Record(Type.LINK, "b", data=b"d/a/../sentinel"),
        Record(Type.LINK, "d/a", data=b".."),
    ]
    with pytest.raises(InputError, match="a link that leads out of it"):
        unpack_bundle(native(program, tmp_path / "app", *records), inside)


def test_native_that_is_damaged_or_too_large(
    program: Path, tmp_path: Path, inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = native(program, tmp_path / "app", Record(Type.EXECUTABLE, "program", data=b"x" * 1000))
    monkeypatch.setattr(unpack, "MAX_BYTES", 999)
    with pytest.raises(InputError, match="is too large"):
        unpack_bundle(path, inside)
    monkeypatch.undo()
    changed = bytearray(path.read_bytes())
    changed[5000] ^= 1
    path.write_bytes(changed)
    assert has_bundle(path)
    with pytest.raises(InputError, match="is damaged"):
        unpack_bundle(path, inside.with_name("again"))
    path.write_bytes(changed[:-130] + changed[-129:])
    with pytest.raises(InputError, match="is damaged"):
        has_bundle(path)


HOSTILE = {
    "parent": [file("../sentinel")],
    "parent inside": [file("a/../../sentinel")],
    "parent that stays": [file("a/../b")],
    "absolute": [file("/tmp/freezer-test-escape")],
    "nothing": [file(".")],
    "twice": [file("a"), file("a")],
    "twice by another name": [file("a"), file("./a")],
    "file over a link": [link("a", "b"), file("a")],
    "link over a file": [file("a"), link("a", "b")],
    "file over a directory": [folder("a"), file("a")],
    "directory over a file": [file("a"), folder("a")],
    "below a file": [file("a"), file("a/b")],
    "absolute link": [link("a", "/etc/passwd")],
    "link out": [link("a", "../sentinel")],
    "deep link out": [link("d/a", "../../sentinel")],
    "link to the parent": [link("a", "..")],
    "through a link": [link("a", "../other"), file("a/x")],
    "through a link inside": [folder("d"), link("a", "d"), file("a/x")],
    "directory through a link": [folder("d"), link("a", "d"), folder("a/x")],
    "link through a link": [link("a", "."), link("b", "a/../sentinel")],
    "link through a link in a directory": [folder("d"), link("d/a", ".."), link("b", "d/a/../sentinel")],
    "hard link": [file("a"), link("b", "a", tarfile.LNKTYPE)],
    "hard link out": [link("b", "../sentinel", tarfile.LNKTYPE)],
    "device": [("a", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
    "block device": [("a", {"type": tarfile.BLKTYPE})],
    "pipe": [("a", {"type": tarfile.FIFOTYPE})],
    "odd type": [("a", {"type": b"V"})],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(linked: Callable[[bytes], Path], inside: Path, name: str) -> None:
    path = linked(archive(*HOSTILE[name]))
    before = {key: value for key, value in snapshot(inside.parent).items() if not key.startswith("bundle")}
    with pytest.raises(InputError) as caught:
        unpack_bundle(path, inside)
    assert str(path) in caught.value.what
    after = {key: value for key, value in snapshot(inside.parent).items() if not key.startswith("bundle")}
    assert after == before
    assert not Path("/tmp/freezer-test-escape").exists()


def test_too_many_entries(linked: Callable[[bytes], Path], inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_ENTRIES", 3)
    with pytest.raises(InputError, match="too large"):
        unpack_bundle(linked(archive(*[file(str(number)) for number in range(4)])), inside)
    assert len(list(inside.iterdir())) == 3


def test_bomb(linked: Callable[[bytes], Path], inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MAX_BYTES", 1_000_000)
    path = linked(lzma.compress(archive(file("a"), file("bomb", bytes(2_000_000)))))
    assert path.stat().st_size < 2_000_000
    with pytest.raises(InputError, match="too large"):
        unpack_bundle(path, inside)
    assert not (inside / "bomb").exists()


@pytest.mark.parametrize("pack", [bytes, lzma.compress], ids=["plain", "xz"])
@pytest.mark.parametrize("damage", ["short", "garbage", "empty", "flipped"])
def test_damaged(linked: Callable[[bytes], Path], inside: Path, pack: Callable[[bytes], bytes], damage: str) -> None:
    whole = bytearray(pack(archive(file("a", os.urandom(50_000)), file("b"))))
    if damage == "short":
        content = bytes(whole[: len(whole) // 2])
    elif damage == "garbage":
        content = bytes(whole[:10]) + os.urandom(len(whole) - 10)
    elif damage == "flipped":
        whole[257:263] = b"uSTaR?"
        whole[148:156] = b"99999999"
        content = bytes(whole)
    else:
        content = b"\0"
    with pytest.raises(InputError, match="damaged"):
        unpack_bundle(linked(bytes(content)), inside)


def test_not_elf(tmp_path: Path) -> None:
    for content in (b"", b"text", b"\x7fELF\x02\x01\x01"):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(InputError):
            find_archive(tmp_path / "x")


def test_section_past_the_end(linked: Callable[[bytes], Path], inside: Path) -> None:
    path = linked(archive(file("a", b"y" * 10_000)))
    place = find_archive(path)
    assert place is not None
    image = bytearray(path.read_bytes())
    at = image.rindex(struct.pack("<QQ", *place))
    image[at : at + 16] = struct.pack("<QQ", len(image) * 1000, place[1])
    path.write_bytes(image)
    with pytest.raises(InputError):
        unpack_bundle(path, inside)


NAMES = st.sampled_from(["a", "b", "a/b", "a/a", "b/a", "..", ".", "/", "a/..", "a/../b", "/a", "../a", "./a", "a//b"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=120)
@given(st.lists(st.tuples(NAMES, st.sampled_from(["file", "folder", "link"]), NAMES), max_size=6))
def test_no_mixture_gets_out(tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, str, str]]) -> None:
    top = tmp_path_factory.mktemp("mixture")
    (top / "a").write_text("untouched")
    (top / "b").mkdir()
    made = [
        file(name) if kind == "file" else folder(name) if kind == "folder" else link(name, target)
        for name, kind, target in members
    ]
    data = archive(*made)
    (top / "linked").write_bytes(data)
    (top / "place").mkdir()
    with contextlib.suppress(InputError), pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpack, "find_archive", lambda _path: (0, len(data)))
        unpack_bundle(top / "linked", top / "place" / "bundle")
    assert (top / "a").read_text() == "untouched"
    assert sorted(os.listdir(top)) == ["a", "b", "linked", "place"]
    assert os.listdir(top / "b") == []
    assert os.listdir(top / "place") == ["bundle"]
