"""Unpack the records of a payload below a directory, as the launcher does (freezer/link/launcher/extract.c).

Names and links are checked before they are used, and the order must be the one that the launcher requires: directories
before their contents, links last, so that nothing is ever written through one.
"""

from __future__ import annotations

import functools
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

from freezer.base import tar
from freezer.base.compression import DamagedStream, Stream
from freezer.base.extract import Refused, Tree
from freezer.link.payload.filter import (
    BLOCK,
    FILTER,
    LARGEST,
    MAX_FILTERS,
    MAX_OBJECTS,
    MAX_TABLE,
    DamagedContent,
    Filter,
    Kind,
    filtered,
)
from freezer.link.payload.pack import RANGE, RECORD, Type
from freezer.link.payload.tables import restore_tables

MAX_NAME = 4095
"""Bytes of a name, or of a link's target."""
MAX_PATH = 4096
"""Bytes of a path with its NUL (PATH_MAX)."""
MAX_FIXUPS = 1 << 16


def put_records(chunks: Iterator[bytes], place: Tree, limits: tar.Limits, tree: Optional[str]) -> int:
    """Unpack a whole stream below ``place``, and return the number of its records.

    ``tree`` is the path that is put in front of the paths in files; None leaves these unchanged. Raises DamagedStream,
    or TooLarge if the stream exceeds the limits.
    """
    return _Records(_Reader(chunks), place, limits, tree).put()


class _Reader:
    """A stream that is read by exact numbers of bytes."""

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
    """A record's header, its name, its filters, and its fixups in the order of their places."""

    type: Type
    name: str
    size: int
    filters: tuple[Filter, ...]
    fixups: tuple[tuple[int, int], ...]


class _Records:
    """Unpacks the records of one stream, and remembers the names so far."""

    def __init__(self, reader: _Reader, place: Tree, limits: tar.Limits, tree: Optional[str]) -> None:
        self._reader = reader
        self._place = place
        self._limits = limits
        self._tree = tree
        self._names: set[str] = set()
        self._folders = {""}
        self._links = False

    def put(self) -> int:
        entries = total = 0
        while (entry := self._next()) is not None:
            entries += 1
            total += entry.size
            if entries > self._limits.entries or total > self._limits.total:
                raise tar.TooLarge(f"more than {self._limits.entries} records, or {self._limits.total} bytes")
            try:
                self._put(entry)
            except Refused as error:
                raise DamagedStream(f"{entry.name!r}: {error}") from error
        if not self._reader.at_end():
            raise DamagedStream("there are bytes behind its last record")
        return entries

    def _next(self) -> Optional[_Entry]:
        letter, length, count, size, filters = RECORD.unpack(self._header())
        if filters > MAX_FILTERS or length > MAX_NAME or count > MAX_FIXUPS:
            raise DamagedStream("the header of a record is invalid")
        try:
            kind = Type(letter)
        except ValueError as error:
            raise DamagedStream(f"a record has the unknown type {letter}") from error
        if kind is Type.END:
            if length or count or size or filters:
                raise DamagedStream("its end record is invalid")
            return None
        name = os.fsdecode(self._reader.exactly(length))
        if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
            raise DamagedStream(f"a record has the invalid name {name[:80]!r}")
        if name.count("/") > self._limits.depth:
            raise DamagedStream(f"the name {name[:80]!r} has too many components")
        file = kind in (Type.FILE, Type.EXECUTABLE)
        if ((count or filters) and not file) or (size and kind is Type.DIRECTORY):
            raise DamagedStream(f"{name!r} has content, but is not a file")
        if kind is Type.LINK and not 0 < size <= MAX_NAME:
            raise DamagedStream(f"the link {name!r} has a target of {size} bytes")
        chosen = _filters(self._reader.exactly(filters * FILTER.size), name, size)
        ranges = sorted(RANGE.iter_unpack(self._reader.exactly(count * RANGE.size)))
        return _Entry(kind, name, size, chosen, tuple((offset, room) for offset, room in ranges))

    def _header(self) -> bytes:
        data = self._reader.exactly(RECORD.size)
        if data[1]:
            raise DamagedStream("the header of a record is invalid")
        return data

    def _put(self, entry: _Entry) -> None:
        if entry.name in self._names:
            raise Refused("it occurs twice")
        if posixpath.dirname(entry.name) not in self._folders:
            raise Refused("it comes before its directory")
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
            finish = functools.partial(restore_tables, filters=entry.filters)
            try:
                self._place.put(_member(entry, tar.Kind.FILE), Stream(self._content(entry)), finish)
            except DamagedContent as error:
                raise DamagedStream(f"{entry.name!r}: {error}") from error

    def _content(self, entry: _Entry) -> Iterator[bytes]:
        tables = [item for item in entry.filters if item.kind.is_table]
        content = self._reader
        if entry.filters:
            content = _Reader(filtered(self._reader.exactly, entry.filters, entry.size, undo=True))
        at = 0
        for offset, room in entry.fixups:
            if offset < at or room < 2 or offset + room > entry.size:
                raise Refused("the place of a fixup in it is invalid")
            if any(item.overlaps(offset, room) for item in tables):
                raise Refused("the place of a fixup in it is in a table")
            yield from content.pieces(offset - at)
            yield from self._fixed(content, room)
            at = offset + room
        yield from content.pieces(entry.size - at)

    def _fixed(self, content: _Reader, room: int) -> Iterator[bytes]:
        """Yield the bytes at a fixup, with the tree's path in front of the path there."""
        start = content.exactly(min(room, MAX_PATH))
        text, end, _ = start.partition(b"\0")
        if not end or not text.startswith(b"/"):
            raise Refused("there is no path at the place of a fixup in it")
        rest = content.pieces(room - len(start))
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


def _filters(data: bytes, name: str, total: int) -> tuple[Filter, ...]:
    """Return the filters of a record, after the launcher's checks (freezer/link/launcher/extract.c)."""
    found: list[Filter] = []
    over = 0
    for number, entries, offset, size in FILTER.iter_unpack(data):
        try:
            item = Filter(Kind(number), offset, size, entries)
        except ValueError as error:
            raise DamagedStream(f"{name!r} has a filter of the unknown kind {number}") from error
        if item.over > total or not size or (item.kind.is_changed and offset < over):
            raise DamagedStream(f"the place of a filter in {name!r} is invalid")
        if item.kind is Kind.ROWS and not 2 <= entries <= BLOCK:
            raise DamagedStream(f"rows in {name!r} have a width of {entries} bytes")
        limit = MAX_TABLE if item.kind.is_table else MAX_OBJECTS if item.kind is Kind.OBJECTS else LARGEST
        if total > LARGEST or size > limit:
            raise DamagedStream(f"{name!r} is too large for its filters")
        if item.kind.is_table and any(item.kind is other.kind for other in found):
            raise DamagedStream(f"{name!r} has two tables of a kind")
        if item.kind.is_changed:
            over = item.over
        found.append(item)
    return tuple(found)


def _member(entry: _Entry, kind: tar.Kind, target: str = "") -> tar.Member:
    # Verification reads the bundle as another user.
    mode = 0o644 if entry.type is Type.FILE else 0o755
    size = entry.size if kind is tar.Kind.FILE else 0
    return tar.Member(entry.name, kind, size, mode, 0, 0, 0, target)


def _stays_inside(name: str, target: str) -> bool:
    """Return whether a link's target stays below the top at each step, judged by the names alone."""
    depth = name.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else part not in ("", ".")
        if depth < 0:
            return False
    return not target.startswith("/")
