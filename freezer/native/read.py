"""Reading a natively linked executable, without trusting it: what ``payload`` writes, and the launcher unpacks.

``freezer check`` takes any file, so nothing here is believed before it fits: sizes, names, links, counts. What the
launcher refuses (freezer/launcher/extract.c) is refused here, and the bytes and entries of a payload are capped as
well. Everything is read once, in pieces, the digests being made on the way: memory is bounded by the decompressor's
window, whatever a payload claims.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from freezer import tar
from freezer.compression import DamagedStream, Stream
from freezer.errors import InputError
from freezer.extract import Refused, Tree, new_tree
from freezer.native.payload import (
    CHUNK,
    END_MAGIC,
    FIXUP,
    IDENTITY,
    MAGIC,
    RECORD,
    TRAILER,
    VERSION,
    Compression,
    Trailer,
    Type,
)

DIGEST_SIZE = 32
COVERED = 88
"""The bytes of the trailer that the digest covers."""
MAX_NAME = 4095
"""Bytes of a name, or of a link's target."""
MAX_PATH = 4096
"""Bytes of a path with the NUL behind it (PATH_MAX)."""
MAX_FIXUPS = 1 << 16
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
                _Unpacking(_Reader(content), place, limits, tree).run(trailer)
            whole.update(head)
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
    if magic != MAGIC or zero or compression not in {item.number for item in Compression}:
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
    for piece in packed if trailer.compression == Compression.NONE.number else _frame(packed):
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


class _Reader:
    """A stream that is read to the byte."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._stream = Stream(chunks)

    def pieces(self, size: int) -> Iterator[bytes]:
        while size:
            data = self._stream.read(size)
            if not data:
                raise DamagedStream("its content ends too early")
            size -= len(data)
            yield data

    def exactly(self, size: int) -> bytes:
        return b"".join(self.pieces(size))

    def at_end(self) -> bool:
        return not self._stream.read(1)


@dataclass(frozen=True)
class _Entry:
    """The header of a record, its name, and its fixups in the order of their places."""

    type: Type
    name: str
    size: int
    fixups: tuple[tuple[int, int], ...]


class _Unpacking:
    """Carries records out below a directory."""

    def __init__(self, reader: _Reader, place: Tree, limits: tar.Limits, tree: Optional[str]) -> None:
        self._reader = reader
        self._place = place
        self._limits = limits
        self._tree = tree
        self._names: set[str] = set()
        self._folders = {""}
        self._links = False

    def run(self, trailer: Trailer) -> None:
        """Carry out all, to the end of the stream. Raises DamagedStream, or TooLarge."""
        entries = total = 0
        while (entry := self._next()) is not None:
            entries += 1
            total += entry.size
            if entries > self._limits.entries or total > self._limits.total:
                raise tar.TooLarge(f"more than {self._limits.entries} entries, or {self._limits.total} bytes")
            try:
                self._put(entry)
            except Refused as error:
                raise DamagedStream(f"{entry.name!r}: {error}") from error
        if entries != trailer.records:
            raise DamagedStream(f"it has {entries} entries, and should have {trailer.records}")
        if not self._reader.at_end():
            raise DamagedStream("there is more behind its last entry")

    def _next(self) -> Optional[_Entry]:
        code, zero, length, count, size, more = RECORD.unpack(self._reader.exactly(RECORD.size))
        if zero or more or length > MAX_NAME or count > MAX_FIXUPS:
            raise DamagedStream("an entry is not as it should be")
        try:
            kind = Type(code)
        except ValueError as error:
            raise DamagedStream(f"an entry has the unknown type {code}") from error
        if kind is Type.END:
            if length or count or size:
                raise DamagedStream("its end is not as it should be")
            return None
        name = os.fsdecode(self._reader.exactly(length))
        if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
            raise DamagedStream(f"an entry has the name {name[:80]!r}")
        file = kind in (Type.FILE, Type.EXECUTABLE)
        if (count and not file) or (size and kind is Type.DIRECTORY):
            raise DamagedStream(f"{name!r} has content, and is no file")
        if kind is Type.LINK and not 0 < size <= MAX_NAME:
            raise DamagedStream(f"the link {name!r} has a target of {size} bytes")
        fixups = sorted(FIXUP.iter_unpack(self._reader.exactly(count * FIXUP.size)))
        return _Entry(kind, name, size, tuple((offset, room) for offset, room in fixups))

    def _put(self, entry: _Entry) -> None:
        if entry.name in self._names:
            raise Refused("it is there twice")
        if posixpath.dirname(entry.name) not in self._folders:
            raise Refused("it comes before the directory that it is in")
        self._names.add(entry.name)
        if entry.type is Type.LINK:
            self._links = True
            target = os.fsdecode(self._reader.exactly(entry.size))
            if "\0" in target or not _stays_inside(entry.name, target):
                raise Refused(f"it links to {target[:80]!r}")
            self._place.put(_member(entry, tar.Kind.SYMLINK, target), Stream(iter(())))
            return
        if self._links:
            raise Refused("it comes after a link")
        if entry.type is Type.DIRECTORY:
            self._folders.add(entry.name)
            self._place.put(_member(entry, tar.Kind.DIRECTORY), Stream(iter(())))
        else:
            self._place.put(_member(entry, tar.Kind.FILE), Stream(self._content(entry)))

    def _content(self, entry: _Entry) -> Iterator[bytes]:
        at = 0
        for offset, room in entry.fixups:
            if offset < at or room < 2 or offset + room > entry.size:
                raise Refused("its places for paths are not in it")
            yield from self._reader.pieces(offset - at)
            yield from self._fixed(room)
            at = offset + room
        yield from self._reader.pieces(entry.size - at)

    def _fixed(self, room: int) -> Iterator[bytes]:
        """What stands where a path is to be."""
        start = self._reader.exactly(min(room, MAX_PATH))
        text, end, _ = start.partition(b"\0")
        if not end or not text.startswith(b"/"):
            raise Refused("what is to become a path in it is none")
        rest = self._reader.pieces(room - len(start))
        if self._tree is None:
            yield start
            yield from rest
            return
        path = os.fsencode(self._tree) + text
        if len(path) >= len(start):
            raise Refused(f"it has no room for the path {os.fsdecode(path)!r}")
        yield path.ljust(len(start), b"\0")
        for piece in rest:
            yield bytes(len(piece))


def _member(entry: _Entry, kind: tar.Kind, target: str = "") -> tar.Member:
    # Verification reads the bundle as another user.
    mode = 0o644 if entry.type is Type.FILE else 0o755
    size = entry.size if kind is tar.Kind.FILE else 0
    return tar.Member(entry.name, kind, size, mode, 0, 0, 0, target)


def _stays_inside(name: str, target: str) -> bool:
    """Whether a link leads to something below the top, going by the names alone, at each step of its way."""
    depth = name.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return False
    return not target.startswith("/")
