"""Hostile archives are refused, and nothing outside the directory changes."""

from __future__ import annotations

import contextlib
import lzma
import os
import struct
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from images import Entry, archive, file, folder, link
from support import compile_c, need_program, snapshot

from freezer import unpack
from freezer.errors import InputError
from freezer.unpack import find_archive, unpack_bundle


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
        section = f"{unpack.STATICX_SECTION}={data}"
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
    assert not unpack_bundle(program, inside)
    assert not inside.exists()


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120)
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
