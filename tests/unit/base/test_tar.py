"""The strict reader: what the standard library writes is read, what is malformed is refused."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from images import archive, file, folder, link

from freezer.base import tar


def read(data: bytes, limits: Optional[tar.Limits] = None) -> list[tuple[tar.Member, bytes]]:
    return [(member, content.read()) for member, content in tar.read_members(io.BytesIO(data), limits)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_library_s_archives(form: int) -> None:
    long = "d/" * 40 + "n" * (60 if form == tarfile.USTAR_FORMAT else 200)
    entries = (folder("d"), file("d/f", b"y" * 513, mode=0o4755, uid=7), link("l", "d/f"), file(long, b""))
    found = read(archive(*entries, form=form))
    assert [(member.name, member.kind, data) for member, data in found] == [
        ("d", tar.Kind.DIRECTORY, b""),
        ("d/f", tar.Kind.FILE, b"y" * 513),
        ("l", tar.Kind.SYMLINK, b""),
        (long, tar.Kind.FILE, b""),
    ]
    assert (found[1][0].mode, found[1][0].uid, found[2][0].target) == (0o4755, 7, "d/f")


def pax(records: bytes, then: bytes = b"") -> bytes:
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, len(records)
    return head.tobuf(tarfile.USTAR_FORMAT) + records + tar.padding(len(records)) + (then or archive(file("f", b"abc")))


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def summed(block: bytes) -> bytes:
    """A header with its checksum set right."""
    total = sum(block[:148]) + 8 * 32 + sum(block[156:512])
    return block[:148] + b"%06o\0 " % total + block[156:]


ONE = archive(file("f", b"abc"), form=tarfile.USTAR_FORMAT)
BAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "half a header": lambda: ONE[:300],
    "cut content": lambda: ONE[:514],
    "no end": lambda: ONE[:1024],
    "half an end": lambda: ONE[:1536] + b"x" * 512,
    "behind the end": lambda: ONE + b"x",
    "padding": lambda: changed(ONE, 600, b"x"),
    "checksum": lambda: changed(ONE, 0, b"g"),
    "magic": lambda: summed(changed(ONE, 257, b"xstar")[:512]) + ONE[512:],
    "negative size": lambda: summed(changed(ONE, 124, b"\xff" * 12)[:512]) + ONE[512:],
    "a link with content": lambda: summed(changed(ONE, 156, b"2")[:512]) + ONE[512:],
    "a sparse file": lambda: summed(changed(ONE, 156, b"S")[:512]) + ONE[512:],
    "pax size": lambda: pax(b"13 size=1_000\n"[:13] + b"\n"),
    "pax size with a sign": lambda: pax(b"11 size=+3\n"),
    "pax size too large": lambda: pax(b"14 size=99999\n"),
    "pax uid": lambda: pax(b"18 uid=4294967296\n"),
    "pax length": lambda: pax(b"99 path=x\n"),
    "pax without end": lambda: pax(b"10 path=xy"),
    "pax NUL": lambda: pax(b"12 path=a\0b\n"),
    "pax sparse": lambda: pax(b"22 GNU.sparse.major=1\n"),
    "pax twice": lambda: pax(b"10 path=x\n", pax(b"10 path=y\n")),
    "pax alone": lambda: pax(b"10 path=x\n", tar.END),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    with pytest.raises(tar.DamagedTar):
        read(BAD[name]())


def test_limits() -> None:
    data = archive(*(file(f"{number}", b"x" * 100) for number in range(10)))
    assert len(read(data)) == 10
    for limits in (tar.Limits(entries=9), tar.Limits(total=999)):
        with pytest.raises(tar.DamagedTar, match="more than"):
            read(data, limits)
    for name in ("n" * 5000, "d/" * 200 + "f"):
        with pytest.raises(tar.DamagedTar, match="too long, too deep"):
            read(archive(file(name)))


@given(st.binary(max_size=2048), st.integers(0, 2047))
def test_any_bytes(data: bytes, at: int) -> None:
    for candidate in (data, changed(ONE, at, data[:64])):
        try:
            read(candidate, tar.Limits(total=1 << 20))
        except tar.DamagedTar:
            continue
