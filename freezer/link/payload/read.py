"""Read a natively linked executable, as ``pack`` writes and the launcher unpacks it, without trusting it.

``freezer check`` takes any file, so every value is checked before it is used. This module refuses what the launcher
refuses, and also limits the bytes and records of a payload (``records``). It reads everything once, in pieces, and
computes the digests on the way: whatever a payload claims, memory is bounded by the decompressor's window.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Optional

from freezer.base import tar
from freezer.base.compression import DamagedStream
from freezer.base.errors import InputError
from freezer.base.extract import new_tree
from freezer.link.payload.identity import DIGEST_SIZE, new_identity
from freezer.link.payload.pack import CHUNK, END_MAGIC, MAGIC, NUMBERS, TRAILER, VERSION, Trailer
from freezer.link.payload.records import put_records
from freezer.plan.choices import Packing

COVERED = 88
"""The bytes of the trailer that the digest covers."""
MAX_WINDOW = 1 << 27
"""Bytes of the decompressor's window, at most; the launcher has the same limit."""
STEP = 1 << 10
"""Bytes given to the decompressor at a time; each may expand to tens of thousands."""
HINT = "copy or download it again"


def find_payload(path: Path) -> Optional[Trailer]:
    """Return the trailer of a natively linked executable; None if the file has no such trailer.

    Raises InputError if the trailer is damaged, or of another version of freezer.
    """
    with open(path, "rb") as file:
        found = _trailer(path, file)
    return None if found is None else found[0]


def identities(executables: Iterable[Path]) -> dict[str, Path]:
    """Return the natively linked executables, by the names of their cache entries."""
    found = {}
    for path in executables:
        with contextlib.suppress(OSError, InputError):
            payload = find_payload(path) if path.is_file() else None
            if payload is not None:
                found[payload.identity.hex()] = path
    return found


def unpack_payload(path: Path, folder: Path, *, limits: tar.Limits, tree: Optional[str] = None) -> Trailer:
    """Unpack a natively linked executable into the new directory ``folder``, and compare its digests.

    ``tree`` is the absolute path that the launcher would write into some of the files; None leaves these unchanged. The
    target of each link is inside by its name, but the link may lead out through other links: the caller must check
    that. Raises InputError for a file that is damaged, too large or not linked natively; then ``folder`` has a part of
    the files.
    """
    try:
        with open(path, "rb") as file:
            found = _trailer(path, file)
            if found is None:
                raise InputError(f"{path} was not linked natively", why="it does not end with a trailer")
            trailer, head = found
            whole = hashlib.blake2b(digest_size=DIGEST_SIZE)
            identity = new_identity()
            for piece in _pieces(file, 0, trailer.offset):
                whole.update(piece)
            packed = _hashed(_pieces(file, trailer.offset, trailer.size), whole)
            content = _hashed(_stream(packed, trailer), identity)
            with new_tree(folder, replace=False) as place:
                records = put_records(content, place, limits, tree)
            whole.update(head)
            if records != trailer.records:
                raise DamagedStream(f"it has {records} records, but its trailer says {trailer.records}")
            if whole.digest() != trailer.digest or identity.digest() != trailer.identity:
                raise DamagedStream("its content does not match its digest")
    except tar.TooLarge as error:
        raise InputError(f"the payload of {path} is too large", why=str(error)) from error
    except DamagedStream as error:
        raise InputError(f"{path} is damaged", why=str(error), hint=HINT) from error
    return trailer


def _trailer(path: Path, file: IO[bytes]) -> Optional[tuple[Trailer, bytes]]:
    """Return the trailer, and the part of it that the digest covers."""
    end = file.seek(0, os.SEEK_END)
    if end < TRAILER.size:
        return None
    file.seek(end - TRAILER.size)
    data = file.read(TRAILER.size)
    if not data.endswith(END_MAGIC):
        return None
    magic, version, compression, offset, size, stream_size, disk, records, init, identity, digest, _ = TRAILER.unpack(
        data
    )
    if magic == MAGIC and version != VERSION:
        raise InputError(
            f"{path} was linked by another version of freezer",
            why=f"its format has the number {version}, and this freezer knows only {VERSION}",
            hint="use the freezer that made it",
        )
    problem = None
    if magic != MAGIC or init > 1 or compression not in NUMBERS.values():
        problem = "its trailer is corrupt"
    elif offset + size + TRAILER.size != end:
        problem = "its size differs from the one in its trailer"
    if problem is not None:
        raise InputError(f"{path} is damaged", why=problem, hint=HINT)
    return Trailer(compression, offset, size, stream_size, disk, records, bool(init), identity, digest), data[:COVERED]


def _pieces(file: IO[bytes], offset: int, size: int) -> Iterator[bytes]:
    file.seek(offset)
    while size:
        data = file.read(min(size, CHUNK))
        if not data:
            raise DamagedStream("it became shorter while it was read")
        size -= len(data)
        yield data


def _hashed(chunks: Iterable[bytes], hasher: hashlib.blake2b) -> Iterator[bytes]:
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk


def _stream(packed: Iterable[bytes], trailer: Trailer) -> Iterator[bytes]:
    """Yield the records' bytes; raise DamagedStream if their number differs from the trailer's."""
    left = trailer.stream_size
    for piece in packed if trailer.compression == NUMBERS[Packing.NONE] else _frames(packed):
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise DamagedStream("the size of its content differs from the one in its trailer")


def _frames(packed: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress zstd's frames; like the launcher, refuse anything else behind one."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    stream = decompressor.decompressobj()
    begun = False
    for chunk in packed:
        for at in range(0, len(chunk), STEP):
            data = chunk[at : at + STEP]
            while data:
                if stream.eof:
                    stream = decompressor.decompressobj()
                begun = True
                try:
                    yield stream.decompress(data)
                except zstandard.ZstdError as error:
                    raise DamagedStream(str(error)) from error
                data = stream.unused_data if stream.eof else b""
    if not begun or not stream.eof:
        raise DamagedStream("its content ends too early")
