"""Streams are decompressed to their end, in pieces that stay small."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable

import pytest
import zstandard

from freezer.base.compression import GZIP, XZ, ZSTD, DamagedStream, Stream, compression_of, decompressed

PACK: dict[str, Callable[[bytes], bytes]] = {
    GZIP: gzip.compress,
    XZ: lzma.compress,
    ZSTD: zstandard.ZstdCompressor().compress,
}
CONTENT = os.urandom(100_000) + bytes(100_000)
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0skip"


def unpacked(data: bytes, limit: int = 1 << 30, size: int = 999) -> bytes:
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(decompressed(chunks, compression_of(data[:6]), limit))


@pytest.mark.parametrize("kind", PACK)
def test_parts_one_behind_another(kind: str) -> None:
    assert compression_of(PACK[kind](b"")[:6]) == kind
    data = PACK[kind](CONTENT) + PACK[kind](b"") + PACK[kind](b"end")
    assert unpacked(data) == unpacked(data, size=1) == CONTENT + b"end"


def test_others() -> None:
    assert compression_of(b"BZh9") == "bzip2"
    assert compression_of(b"./") is None
    assert unpacked(SKIPPABLE + PACK[ZSTD](CONTENT)) == CONTENT
    assert unpacked(b"plain" * 1000) == b"plain" * 1000
    stream = Stream(iter([b"", b"abc", b"d"]))
    assert [stream.read(2) for _ in range(4)] == [b"ab", b"c", b"d", b""]


@pytest.mark.parametrize("kind", PACK)
def test_damage(kind: str) -> None:
    data = PACK[kind](CONTENT)
    for damaged in (data[:-1], data[: len(data) // 2], data[:7], data + b"junk", data + b"\0", data + data[:-9]):
        with pytest.raises(DamagedStream):
            unpacked(damaged)
    with pytest.raises(DamagedStream):
        unpacked(data[:6] + os.urandom(1000))


@pytest.mark.parametrize("kind", PACK)
def test_bombs(kind: str) -> None:
    """No piece is larger than a few chunks, and it ends soon after the limit."""
    data = PACK[kind](bytes(64_000_000))
    total = 0
    with pytest.raises(DamagedStream, match="more than 50000000 bytes"):
        for piece in decompressed([data], kind, 50_000_000):
            total += len(piece)
            assert len(piece) <= 40_000_000
    assert total <= 50_000_000


def test_a_dictionary_that_needs_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.base.compression.XZ_MEMORY", 1 << 20)
    with pytest.raises(DamagedStream, match=r"[Mm]emory"):
        unpacked(lzma.compress(CONTENT))
