"""Reading a natively linked executable, without trusting it: what ``payload`` writes, and the launcher unpacks.

``freezer check`` takes any file, so nothing here is believed before it fits. What the launcher refuses is refused here,
and the bytes and entries of a payload are capped as well (``records``). Everything is read once, in pieces, the digests
being made on the way: memory is bounded by the decompressor's window, whatever a payload claims.
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
from freezer.link.payload.pack import CHUNK, END_MAGIC, IDENTITY, MAGIC, NUMBERS, TRAILER, VERSION, Trailer
from freezer.link.payload.records import put_records
from freezer.plan.choices import Packing

DIGEST_SIZE = 32
COVERED = 88
"""The bytes of the trailer that the digest covers."""
MAX_WINDOW = 1 << 27
"""Bytes that the decompressor may keep, as the launcher's."""
STEP = 1 << 10
"""Bytes given to the decompressor at a time; each may stand for tens of thousands."""
HINT = "copy or download it again"


def find_payload(path: Path) -> Optional[Trailer]:
    """What the end of a natively linked executable says; None if the file does not end as those do.

    Raises InputError if it does, and cannot be one: it is damaged, or of another version of freezer.
    """
    with open(path, "rb") as file:
        found = _trailer(path, file)
    return None if found is None else found[0]


def identities(executables: Iterable[Path]) -> dict[str, Path]:
    """The executables that are natively linked, by what the entries of them are called."""
    found = {}
    for path in executables:
        with contextlib.suppress(OSError, InputError):
            payload = find_payload(path) if path.is_file() else None
            if payload is not None:
                found[payload.identity.hex()] = path
    return found


def unpack_payload(path: Path, folder: Path, *, limits: tar.Limits, tree: Optional[str] = None) -> Trailer:
    """Unpack a natively linked executable into the new directory ``folder``, and compare its digests.

    ``tree`` is the absolute path that the files will have, which the launcher writes into some; None leaves these as
    they are. Links stay inside as they read; through other links they may still lead out, which is the caller's to
    find. Raises InputError for a file that is damaged, too large or none; then ``folder`` has a part of it.
    """
    try:
        with open(path, "rb") as file:
            found = _trailer(path, file)
            if found is None:
                raise InputError(f"{path} was not linked natively", why="its end is not the one of such a file")
            trailer, head = found
            whole = hashlib.blake2b(digest_size=DIGEST_SIZE)
            identity = hashlib.blake2b(digest_size=DIGEST_SIZE, person=IDENTITY)
            for piece in _pieces(file, 0, trailer.offset):
                whole.update(piece)
            packed = _hashed(_pieces(file, trailer.offset, trailer.size), whole)
            content = _hashed(_stream(packed, trailer), identity)
            with new_tree(folder, replace=False) as place:
                records = put_records(content, place, limits, tree)
            whole.update(head)
            if records != trailer.records:
                raise DamagedStream(f"it has {records} entries, and should have {trailer.records}")
            if whole.digest() != trailer.digest or identity.digest() != trailer.identity:
                raise DamagedStream("its content does not have the digest that it should have")
    except tar.TooLarge as error:
        raise InputError(f"the payload of {path} is too large", why=str(error)) from error
    except DamagedStream as error:
        raise InputError(f"{path} is damaged", why=str(error), hint=HINT) from error
    return trailer


def _trailer(path: Path, file: IO[bytes]) -> Optional[tuple[Trailer, bytes]]:
    """The trailer, and the part of it that the digest covers."""
    end = file.seek(0, os.SEEK_END)
    if end < TRAILER.size:
        return None
    file.seek(end - TRAILER.size)
    data = file.read(TRAILER.size)
    if not data.endswith(END_MAGIC):
        return None
    magic, version, compression, offset, size, stream_size, disk, records, zero, identity, digest, _ = TRAILER.unpack(
        data
    )
    if magic == MAGIC and version != VERSION:
        raise InputError(
            f"{path} was linked by another version of freezer",
            why=f"its format has the number {version}, and this freezer knows {VERSION}",
            hint="use the freezer that made it",
        )
    problem = None
    if magic != MAGIC or zero or compression not in NUMBERS.values():
        problem = "the record at its end is not as it should be"
    elif offset + size + TRAILER.size != end:
        problem = "it does not have the size that it should have"
    if problem is not None:
        raise InputError(f"{path} is damaged", why=problem, hint=HINT)
    return Trailer(compression, offset, size, stream_size, disk, records, identity, digest), data[:COVERED]


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
    """The records' bytes, which must be as many as the trailer says."""
    left = trailer.stream_size
    for piece in packed if trailer.compression == NUMBERS[Packing.NONE] else _frame(packed):
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise DamagedStream("its content does not have the size that it should have")


def _frame(packed: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress one frame of zstd; the launcher takes no second one, and nothing behind it."""
    import zstandard

    stream = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
    for chunk in packed:
        for at in range(0, len(chunk), STEP):
            if stream.eof:
                raise DamagedStream("there is more behind its content")
            try:
                yield stream.decompress(chunk[at : at + STEP])
            except zstandard.ZstdError as error:
                raise DamagedStream(str(error)) from error
    if not stream.eof or stream.unused_data:
        raise DamagedStream("its content ends too early, or there is more behind it")
