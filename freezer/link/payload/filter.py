"""Filter machine code, so that it compresses better (freezer/link/launcher/filter.c explains how).

The launcher has the same source compiled in, and undoes the filter.
"""

from __future__ import annotations

import ctypes
import functools
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Optional

from freezer.base.elf_file import MAGIC, PF_X
from freezer.link.launcher import filter_path

STEP = 1 << 20
"""Bytes that are filtered at a time: a multiple of the filter's blocks (FILTER_BLOCK)."""
LARGEST = (1 << 31) - 1
"""Bytes of the largest file whose code can be filtered."""
ELF_HEADER = struct.Struct("<4sBB10xHHIQQQIHHH")
"""The header of a 64-bit file; like PROGRAM_HEADER, from the System V gABI, chapters 4 and 5."""
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
LITTLE_64, X86_64, PT_LOAD = (2, 1), 62, 1


def code_of(path: Path) -> Optional[tuple[int, int]]:
    """Return the (offset, size) in bytes of the largest executable segment of an ELF file for x86-64; else None.

    Do not use ``freezer.base.elf``, which reads the whole file: this is called for each file that is packed.
    """
    total = path.stat().st_size
    with open(path, "rb") as file:
        header = file.read(ELF_HEADER.size)
        if total > LARGEST or len(header) < ELF_HEADER.size:
            return None
        magic, *kind, _, machine, _, _, start, _, _, _, size, count = ELF_HEADER.unpack(header)
        if (magic, tuple(kind), machine, size) != (MAGIC, LITTLE_64, X86_64, PROGRAM_HEADER.size) or start > total:
            return None
        file.seek(start)
        table = file.read(size * count)
    segments = PROGRAM_HEADER.iter_unpack(table[: len(table) // size * size])
    found = [
        (stored, offset) for what, flags, offset, _, _, stored, _, _ in segments if what == PT_LOAD and flags & PF_X
    ]
    stored, offset = max(found, default=(0, 0))
    return (offset, stored) if stored and offset + stored <= total else None


def filtered(read: Callable[[int], bytes], code: tuple[int, int], total: int, *, undo: bool) -> Iterator[bytes]:
    """Yield the content of a file of ``total`` bytes with its code filtered, or with the filter undone.

    ``read`` returns the requested number of its bytes. Raises EnvironmentFailure if this installation of freezer has no
    compiled filter.
    """
    offset, size = code
    yield from _steps(read, offset)
    for data in _steps(read, size):
        content = bytearray(data)
        _library().filter_code((ctypes.c_char * len(content)).from_buffer(content), len(content), offset, total, undo)
        offset += len(content)
        yield bytes(content)
    yield from _steps(read, total - offset)


def _steps(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while size:
        data = read(min(size, STEP))
        size -= len(data)
        yield data


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(filter_path()))
    function = library.filter_code
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_bool]
    function.restype = None
    return library
