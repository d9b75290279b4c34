"""Filter the tables of libraries by which code is unwound and symbols are found, and restore them.

They are filtered as a whole, and predicted from each other (freezer/link/launcher/unwinding.c and hashes.c). So they
are changed before a file is read in order to pack it, and restored in a file that was written otherwise.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Sequence
from typing import IO

from freezer.link.payload.filter import DamagedContent, Filter, Kind, library


class ChangedFile:
    """A file that is read from its beginning, with other bytes at some places: pairs of an offset and the bytes."""

    def __init__(self, file: IO[bytes], changes: Sequence[tuple[int, bytes]]) -> None:
        self._file = file
        self._changes = changes
        self.position = 0

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer at the end."""
        data = self._file.read(size)
        start, self.position = self.position, self.position + len(data)
        for offset, content in self._changes:
            first, last = max(offset, start), min(offset + len(content), self.position)
            if first < last:
                data = data[: first - start] + content[first - offset : last - offset] + data[last - start :]
        return data


def changed_tables(file: IO[bytes], filters: Iterable[Filter]) -> list[tuple[int, bytes]]:
    """Return the filtered tables of a file, with their offsets."""
    places = {item.kind: item for item in filters if item.kind.is_table}
    tables = {kind: os.pread(file.fileno(), item.size, item.offset) for kind, item in places.items()}
    changed: dict[Kind, bytes] = {}
    if Kind.UNWINDING in tables:
        entries = places[Kind.UNWINDING].entries
        table = tables[Kind.UNWINDING]
        split = ctypes.create_string_buffer(len(table))
        library().unwinding_split(table, split, len(table), entries)
        changed[Kind.UNWINDING] = split.raw
        if Kind.UNWINDING_INDEX in tables:
            changed[Kind.UNWINDING_INDEX] = _index(tables[Kind.UNWINDING_INDEX], table, entries, undo=False)
    if {Kind.HASHES, Kind.SYMBOLS, Kind.STRINGS} <= tables.keys():
        changed[Kind.HASHES] = _hashes(tables[Kind.HASHES], tables[Kind.SYMBOLS], tables[Kind.STRINGS])
    return [(places[kind].offset, content) for kind, content in changed.items()]


def restore_tables(descriptor: int, filters: Iterable[Filter]) -> None:
    """Restore the tables of a file that is written otherwise. Raises DamagedContent."""
    places = {item.kind: item for item in filters if item.kind.is_table}
    tables = {kind: os.pread(descriptor, item.size, item.offset) for kind, item in places.items()}
    if Kind.UNWINDING in tables:
        place, split = places[Kind.UNWINDING], tables[Kind.UNWINDING]
        joined = ctypes.create_string_buffer(len(split))
        if not library().unwinding_join(split, joined, len(split), place.entries):
            raise DamagedContent("its unwinding tables are damaged")
        os.pwrite(descriptor, joined.raw, place.offset)
        if Kind.UNWINDING_INDEX in tables:
            index = _index(tables[Kind.UNWINDING_INDEX], joined.raw, place.entries, undo=True)
            os.pwrite(descriptor, index, places[Kind.UNWINDING_INDEX].offset)
    if {Kind.HASHES, Kind.SYMBOLS, Kind.STRINGS} <= tables.keys():
        hashes = _hashes(tables[Kind.HASHES], tables[Kind.SYMBOLS], tables[Kind.STRINGS])
        os.pwrite(descriptor, hashes, places[Kind.HASHES].offset)


def _index(index: bytes, table: bytes, entries: int, *, undo: bool) -> bytes:
    content = ctypes.create_string_buffer(index, len(index))
    room = (ctypes.c_uint64 * (len(table) // 8 + 1))()
    library().filter_unwinding_index(content, len(index), table, len(table), entries, room, undo)
    return content.raw


def _hashes(hashes: bytes, symbols: bytes, strings: bytes) -> bytes:
    content = ctypes.create_string_buffer(hashes, len(hashes))
    room = ctypes.create_string_buffer(len(hashes))
    library().filter_hashes(content, len(hashes), symbols, len(symbols), strings, len(strings), room)
    return content.raw
