"""Choose the filters for a file.

The sections of a library say what is in them: its largest code, tables with entries of a fixed size, and those for
unwinding and for finding symbols. In all other data, and in other files, tables of numbers are found by trying: a block
is filtered as rows if it is then smaller by a tenth; for less, it may be more alike to another block as it is. That is
tried only with blocks whose bytes look like it, as to compress one takes as long as to look at ten.

The archive of modules has code of Python, some modules of which are filtered at once.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Optional, Union

from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link.module_archives import HEADER, is_archive, parse_table
from freezer.link.modules import ARCHIVE_MAGIC
from freezer.link.payload.filter import (
    LARGEST,
    MAX_FILTERS,
    MAX_OBJECTS,
    MAX_TABLE,
    OBJECTS_HEAD,
    Filter,
    Kind,
    library,
    rows,
)
from freezer.link.payload.sections import SHF_MERGE, SHT_PROGBITS, X86_64, Section, sections_of

BLOCK = 1 << 13
"""Bytes that are tried at once."""
STEP = 1 << 20
LEAST = 512
"""Bytes of the smallest part that is filtered: each filter takes a few bytes itself."""
LEAST_ROWS = 16
MAX_WIDTH = 64
"""Bytes of the widest entries that are filtered as rows."""
TABLES = {
    ".eh_frame": Kind.UNWINDING,
    ".eh_frame_hdr": Kind.UNWINDING_INDEX,
    ".gnu.hash": Kind.HASHES,
    ".dynstr": Kind.STRINGS,
}
SYMBOLS, SYMBOL = ".dynsym", 24
"""The section of symbols, and the bytes of each."""
WIDTHS = (2, 4, 8)
WORTH_KEEPING = 1 << 16
"""Bytes that take longer to try than to find what was found before."""
NUMBERS_OF_CODE = (5, 6)
"""The numbers of numbers with which code objects begin: since Python 3.11, and before."""


def filters_of(
    path: Union[Path, str], cuts: Sequence[int] = (), memory: Optional[ContentMemory] = None
) -> tuple[Filter, ...]:
    """Return the filters for a file, in the order of their places. ``cuts`` are places at which no objects are kept
    together; ``memory`` keeps what was tried. Raises EnvironmentFailure if this installation of freezer has no compiled
    filters."""
    total = os.stat(path).st_size
    if not LEAST <= total <= LARGEST:
        return ()
    with open(path, "rb") as file:
        machine, sections = sections_of(file, total)
        if sections:
            found = _of_sections(file, machine, sections, memory)
        elif is_archive(Path(path)):
            found = list(_of_archive(file, total, cuts))
        else:
            found = list(_tables_of_numbers(file, 0, total, memory))
    return tuple(found[:MAX_FILTERS])


def _of_sections(
    file: IO[bytes], machine: int, sections: list[Section], memory: Optional[ContentMemory]
) -> list[Filter]:
    code = max((item for item in sections if item.executable), key=lambda item: item.size, default=None)
    found: list[Filter] = []
    for item in sections:
        kind = TABLES.get(item.name)
        if item is code:
            if machine == X86_64:
                found.append(Filter(Kind.CODE, item.offset, item.size))
        elif item.size < LEAST and item.name != SYMBOLS and kind is None:
            continue
        elif kind is not None:
            # There is one of each, or it is no library.
            if item.size <= MAX_TABLE and all(kind is not other.kind for other in found):
                found.append(Filter(kind, item.offset, item.size, _entries(file, item, kind)))
        elif item.name == SYMBOLS and item.width == SYMBOL:
            # They are stored as rows, and restored before the hashes are predicted from them.
            found.append(Filter(Kind.ROWS, item.offset, item.size, item.width))
            if item.size <= MAX_TABLE and all(other.kind is not Kind.SYMBOLS for other in found):
                found.append(Filter(Kind.SYMBOLS, item.offset, item.size))
        elif 1 < item.width <= min(MAX_WIDTH, item.size // LEAST_ROWS) and not item.flags & SHF_MERGE:
            found.append(Filter(Kind.ROWS, item.offset, item.size, item.width))
        elif item.kind == SHT_PROGBITS and not item.executable:
            found += _tables_of_numbers(file, item.offset, item.size, memory)
    return found


def _entries(file: IO[bytes], section: Section, kind: Kind) -> int:
    if kind is not Kind.UNWINDING:
        return 0
    file.seek(section.offset)
    table = file.read(section.size)
    count: int = library().unwinding_entries(table, len(table))
    return count


def _of_archive(file: IO[bytes], total: int, cuts: Sequence[int]) -> Iterator[Filter]:
    """Yield filters for the modules of an archive, as many for one as it can have."""
    file.seek(len(ARCHIVE_MAGIC))
    size = int.from_bytes(file.read(HEADER - len(ARCHIVE_MAGIC)), "little")
    try:
        modules = parse_table(file.read(min(size, total)))["modules"].values()
        places = sorted((HEADER + size + offset, length) for offset, length, _ in modules if length)
    except (ValueError, TypeError, LookupError, AttributeError, struct.error):
        return  # a file of the application's that only begins like an archive
    begun = over = 0
    for offset, length in [*places, (total, MAX_OBJECTS)]:
        if offset != over or offset in cuts or offset + length - begun > MAX_OBJECTS:
            if over > begun:
                yield from _objects(file, begun, over - begun)
            begun = offset
        over = offset + length


def _objects(file: IO[bytes], offset: int, size: int) -> Iterator[Filter]:
    """Yield the filter for some modules; none if they are too large for one, or no code that it knows."""
    file.seek(offset)
    if size > MAX_OBJECTS or len(data := file.read(size)) != size:
        return
    result = ctypes.create_string_buffer(size + OBJECTS_HEAD)
    for numbers in NUMBERS_OF_CODE:
        if library().objects_split(data, result, size, numbers):
            yield Filter(Kind.OBJECTS, offset, size, numbers)
            return


def _tables_of_numbers(file: IO[bytes], offset: int, size: int, memory: Optional[ContentMemory]) -> Iterator[Filter]:
    """Yield filters for the tables of numbers in a part of a file."""
    last = Filter(Kind.ROWS, offset, 0, 1)
    file.seek(offset)
    while size and (data := file.read(min(size, STEP))):
        size -= len(data)
        for number, width in enumerate(_kept_widths(data, memory)):
            if width != last.entries:
                if last.entries > 1:
                    yield last
                last = Filter(Kind.ROWS, last.over, 0, width)
            last = Filter(Kind.ROWS, last.offset, last.size + len(data[number * BLOCK :][:BLOCK]), width)
    if last.entries > 1:
        yield last


def _kept_widths(data: bytes, memory: Optional[ContentMemory]) -> bytes:
    """Return the width of each block, as it was found in an earlier build, or is found now."""
    if memory is None or len(data) < WORTH_KEEPING:
        return _widths(data)
    key = memory.key("widths", data)
    known = memory.get(key)
    if isinstance(known, bytes) and len(known) == -(-len(data) // BLOCK) and set(known) <= {1, *WIDTHS}:
        return known
    found = _widths(data)
    memory.put(key, found)
    return found


def _widths(data: bytes) -> bytes:
    return bytes(_width(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK))


def _width(block: bytes) -> int:
    """Return the width of the rows as which a block is stored; 1 if that does not make it smaller."""
    width: int = library().likely_width(block, len(block))
    if width not in WIDTHS:
        return 1
    compressed = _compressor()
    return width if compressed(rows(block, width)) < compressed(block) * 9 // 10 else 1


@functools.cache
def _compressor() -> Callable[[bytes], int]:
    import zstandard

    fast = zstandard.ZstdCompressor(level=1)
    return lambda block: len(fast.compress(block))
