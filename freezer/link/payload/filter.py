"""Filter parts of a file, so that it compresses better. Each filter can be undone.

The filters themselves are in C (freezer/link/launcher/filter.h), as the launcher undoes them at the first start. This
module applies those that need no more than a part of the file at a time: for machine code, for rows of numbers, and for
marshalled code of Python.
``tables`` has the others, and ``choose`` decides which filters a file gets.
"""

from __future__ import annotations

import ctypes
import enum
import functools
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from freezer.link.launcher import filter_path

BLOCK = 1 << 16
"""Bytes that are filtered on their own (FILTER_BLOCK)."""
STEP = 16 * BLOCK
"""Bytes that are read at a time."""
LARGEST = (1 << 31) - 1
"""Bytes of the largest file that is filtered."""
FILTER = struct.Struct("<IIQQ")
"""A filter in a record of the payload: kind, entries, offset and size."""
MAX_FILTERS = 4096
"""Filters of a file (FILTER_LIMIT)."""
MAX_OBJECTS = 1 << 19
"""Bytes of marshalled objects that are filtered at once (OBJECTS_LIMIT)."""
OBJECTS_HEAD = 40
"""Bytes that filtered objects have more."""
MAX_TABLE = 1 << 24
"""Bytes of a table (TABLE_LIMIT): they are in memory as a whole."""


class DamagedContent(ValueError):
    """What is filtered does not fit its filter."""


class Kind(enum.IntEnum):
    """The kinds of filters; SYMBOLS and STRINGS only say where the tables are from which HASHES are predicted."""

    CODE = 1
    ROWS = 2
    UNWINDING = 3
    UNWINDING_INDEX = 4
    HASHES = 5
    SYMBOLS = 6
    STRINGS = 7
    OBJECTS = 8

    @property
    def is_table(self) -> bool:
        """Return whether it needs a whole table, and is undone when the rest of the file is written."""
        return Kind.UNWINDING <= self <= Kind.STRINGS

    @property
    def is_changed(self) -> bool:
        """Return whether its bytes are stored otherwise."""
        return self not in (Kind.SYMBOLS, Kind.STRINGS)


@dataclass(frozen=True)
class Filter:
    """A filter for ``size`` bytes of a file, at ``offset``. ``entries`` is the width of rows, the number of entries of
    an unwinding table, or the number of numbers with which code objects begin."""

    kind: Kind
    offset: int
    size: int
    entries: int = 0

    @property
    def over(self) -> int:
        """Return the offset of the first byte behind it."""
        return self.offset + self.size

    def overlaps(self, offset: int, size: int) -> bool:
        """Return whether some bytes of the file are among the filtered ones."""
        return self.offset < offset + size and offset < self.over


def filtered(read: Callable[[int], bytes], filters: Iterable[Filter], total: int, *, undo: bool) -> Iterator[bytes]:
    """Yield the content of a file of ``total`` bytes with its code, rows and objects filtered, or with that undone.

    ``read`` returns the requested number of its bytes; the filters are in the order of their places. Raises
    DamagedContent, and EnvironmentFailure if this installation of freezer has no compiled filter.
    """
    at = 0
    for item in filters:
        if item.kind.is_table:
            continue
        yield from _steps(read, item.offset - at)
        at = item.offset
        if item.kind is Kind.OBJECTS:
            yield _objects(read, item, undo)
            at = item.over
            continue
        for data in _steps(read, item.size):
            yield _code(data, at, total, undo) if item.kind is Kind.CODE else _rows(data, item.entries, undo)
            at += len(data)
    yield from _steps(read, total - at)


def _steps(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while size:
        data = read(min(size, STEP))
        size -= len(data)
        yield data


def _objects(read: Callable[[int], bytes], item: Filter, undo: bool) -> bytes:
    data = b""
    more = OBJECTS_HEAD if undo else 0
    while len(data) < item.size + more and (piece := read(item.size + more - len(data))):
        data += piece
    if len(data) < item.size + more:
        return b""
    result = ctypes.create_string_buffer(item.size + OBJECTS_HEAD - more)
    change = library().objects_join if undo else library().objects_split
    if not change(data, result, item.size, item.entries):
        raise DamagedContent("its code for Python is damaged")
    return result.raw


def _code(data: bytes, place: int, total: int, undo: bool) -> bytes:
    content = bytearray(data)
    library().filter_code((ctypes.c_char * len(content)).from_buffer(content), len(content), place, total, undo)
    return bytes(content)


def _rows(data: bytes, width: int, undo: bool) -> bytes:
    return b"".join(rows(data[at : at + BLOCK], width, undo=undo) for at in range(0, len(data), BLOCK))


def rows(block: bytes, width: int, *, undo: bool = False) -> bytes:
    """Return a block with its rows stored column by column, or with that undone."""
    result = ctypes.create_string_buffer(len(block))
    library().filter_rows(block, result, len(block), width, undo)
    return result.raw


@functools.cache
def library() -> ctypes.CDLL:
    """Return the compiled filters. Raises EnvironmentFailure if this installation of freezer has none."""
    loaded = ctypes.CDLL(str(filter_path()))
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    for name, result, arguments in (
        ("filter_code", None, [pointer, size, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_bool]),
        ("filter_rows", None, [ctypes.c_char_p, pointer, size, size, ctypes.c_bool]),
        ("likely_width", size, [ctypes.c_char_p, size]),
        ("unwinding_entries", size, [ctypes.c_char_p, size]),
        ("unwinding_split", None, [ctypes.c_char_p, pointer, size, size]),
        ("unwinding_join", ctypes.c_bool, [ctypes.c_char_p, pointer, size, size]),
        ("filter_unwinding_index", None, [pointer, size, ctypes.c_char_p, size, size, pointer, ctypes.c_bool]),
        ("objects_split", ctypes.c_bool, [ctypes.c_char_p, pointer, size, ctypes.c_uint32]),
        ("objects_join", ctypes.c_bool, [ctypes.c_char_p, pointer, size, ctypes.c_uint32]),
        ("filter_hashes", None, [pointer, size, ctypes.c_char_p, size, ctypes.c_char_p, size, pointer]),
    ):
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded
