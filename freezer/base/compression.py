"""Decompress untrusted data: as streams, in bounded memory, and only if the data is complete.

A file may have several parts one after another (gzip's members, zstd's frames, xz's streams). It is damaged if it has
anything else after them, or ends within one.
"""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Optional

CHUNK = 1 << 20
"""Bytes that are returned at a time, if the decompressor has such a limit."""
STEP = 1 << 14
"""Bytes given to the decompressor at a time; at each end of a part, it copies the rest of them."""
ZSTD_STEP = 1 << 10
"""The same for zstd, which returns everything that these bytes expand to: at worst 128 KiB for 4 bytes."""
XZ_MEMORY = 1 << 28
"""Bytes of memory that xz may need; files of ``xz -9`` need a quarter."""
GZIP, ZSTD, XZ, BZIP2 = "gzip", "zstd", "xz", "bzip2"
MAGIC = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD, b"\xfd7zXZ\0": XZ, b"BZh": BZIP2}
"""The first bytes of compressed files, and the programs for them."""
SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
"""The other start of zstd's files: a frame without content (RFC 8878)."""


class DamagedStream(ValueError):
    """The data is malformed, ends too early, or is beyond the limit."""


def compression_of(start: bytes) -> Optional[str]:
    """Return the compression of a file, by its first six bytes; None if it has none."""
    if SKIPPABLE.match(start):
        return ZSTD
    return next((name for magic, name in MAGIC.items() if start.startswith(magic)), None)


def decompressed(chunks: Iterable[bytes], compression: Optional[str], limit: int) -> Iterator[bytes]:
    """Yield the content of a file in pieces, of at most ``limit`` bytes in all. Raises DamagedStream."""
    readers = {GZIP: _gunzipped, ZSTD: _unzstd, XZ: _unxz}
    total = 0
    for piece in chunks if compression is None else readers[compression](chunks):
        total += len(piece)
        if total > limit:
            raise DamagedStream(f"it has more than {limit} bytes unpacked")
        yield piece


class Stream:
    """Pieces of bytes as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._piece = b""
        self._at = 0

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none only at the end."""
        while self._at == len(self._piece):
            piece = next(self._chunks, None)
            if piece is None:
                return b""
            self._piece, self._at = piece, 0
        data = self._piece[self._at : self._at + size]
        self._at += len(data)
        return data


def _steps(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), size):
            yield chunk[at : at + size]


def _ended(stream: Any) -> None:
    if not stream.eof:
        raise DamagedStream("it ends too early")


def _gunzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj(31)
    for step in _steps(chunks, STEP):
        data = step
        while data:
            if stream.eof:  # a further member
                stream = zlib.decompressobj(31)
            try:
                yield stream.decompress(data, CHUNK)
            except zlib.error as error:
                raise DamagedStream(str(error)) from error
            data = stream.unused_data if stream.eof else stream.unconsumed_tail
    _ended(stream)


def _unzstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    import zstandard

    # Frame by frame, since zstandard's reader across frames does not notice that the last one is incomplete.
    stream = zstandard.ZstdDecompressor().decompressobj()
    for step in _steps(chunks, ZSTD_STEP):
        data = step
        while data:
            if stream.eof:
                stream = zstandard.ZstdDecompressor().decompressobj()
            try:
                yield stream.decompress(data)
            except zstandard.ZstdError as error:
                raise DamagedStream(str(error)) from error
            data = stream.unused_data if stream.eof else b""
    _ended(stream)


def _unxz(chunks: Iterable[bytes]) -> Iterator[bytes]:
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
    for step in _steps(chunks, STEP):
        data = step
        while data or not (stream.eof or stream.needs_input):
            if stream.eof:
                stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
            try:
                yield stream.decompress(data, CHUNK)
            except lzma.LZMAError as error:
                raise DamagedStream(str(error)) from error
            data = stream.unused_data if stream.eof else b""
    _ended(stream)
