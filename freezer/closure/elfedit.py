"""The few edits that freezer makes to ELF files.

They change values in place and never move anything, so that they cannot break a file the way re-laying it out can; what
cannot be done in place is left to patchelf by the caller.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional, cast

from freezer.base.elf import PF_X, PT_GNU_STACK, Elf

DT_NULL, DT_RPATH, DT_FLAGS_1 = 0, 15, 0x6FFFFFFB
DF_1_NODEFLIB = 0x800
DISPENSABLE = frozenset((21, 0x6FFFFFF9, 0x6FFFFFFA, 0x6FFFFDF5, 0x6FFFFDF8))
"""Tags of libraries that the loader does without (gABI; elf.h): DT_DEBUG, which only a program's is used of, the counts
DT_RELACOUNT and DT_RELCOUNT, which save it a test, and prelink's DT_GNU_PRELINKED and DT_CHECKSUM."""


def clear_executable_stack(path: Path) -> None:
    """Clear the executable flag of PT_GNU_STACK: kernels and hardened hosts refuse to load such a library."""
    with open(path, "r+b") as file:
        header = file.read(64)
        wide, order = header[4] == 2, "<" if header[5] == 1 else ">"
        table, size, count = (
            (
                struct.unpack_from(order + "Q", header, 32)[0],
                *struct.unpack_from(order + "HH", header, 54),
            )
            if wide
            else (struct.unpack_from(order + "I", header, 28)[0], *struct.unpack_from(order + "HH", header, 42))
        )
        for index in range(count):
            start = table + index * size
            file.seek(start)
            if struct.unpack(order + "I", file.read(4))[0] != PT_GNU_STACK:
                continue
            place = start + (4 if wide else 24)
            file.seek(place)
            flags = struct.unpack(order + "I", file.read(4))[0]
            file.seek(place)
            file.write(struct.pack(order + "I", flags & ~PF_X))


def forbid_default_directories(path: Path) -> bool:
    """Keep the loader from searching the system's directories for what this file needs or opens (DF_1_NODEFLIB, gABI).

    In place: in the tag that it has, in one of those that GNU ld leaves free at the end of the table, or in one that
    the loader can do without. Returns False if there is none, and nothing was changed.
    """
    from elftools.elf.elffile import ELFFile

    with open(path, "r+b") as stream:
        file = ELFFile(stream)
        order = "<" if file.little_endian else ">"
        entry = struct.Struct(order + ("qQ" if file.elfclass == 64 else "iI"))
        for segment in cast("Iterator[Any]", file.iter_segments()):
            if segment["p_type"] != "PT_DYNAMIC":
                continue
            start = segment["p_offset"]
            stream.seek(start)
            table = stream.read(segment["p_filesz"])
            tags = list(entry.iter_unpack(table[: len(table) // entry.size * entry.size]))
            numbers = [number for number, _ in tags]
            if DT_FLAGS_1 in numbers:
                index = numbers.index(DT_FLAGS_1)
                value = tags[index][1] | DF_1_NODEFLIB
            else:
                free = _replaceable(tags)
                if free is None:
                    return False
                index, value = free, DF_1_NODEFLIB
            stream.seek(start + index * entry.size)
            stream.write(entry.pack(DT_FLAGS_1, value))
            return True
    # Nothing is loaded for a file without a dynamic section.
    return True


def _replaceable(tags: list[tuple[int, int]]) -> Optional[int]:
    """Return the place of a tag that can become another one; None if a library has none."""
    numbers = [number for number, _ in tags]
    end = numbers.index(DT_NULL) if DT_NULL in numbers else len(numbers)
    if numbers[end : end + 2] == [DT_NULL, DT_NULL]:
        return end
    return next((index for index, tag in enumerate(tags[:end]) if tag[0] in DISPENSABLE or tag == (DT_RPATH, 0)), None)


def set_rpath_in_place(elf: Elf, entries: list[str]) -> bool:
    """Make ``entries`` the file's DT_RPATH, dropping DT_RUNPATH, without moving a byte.

    The new value must be empty or a suffix of a string the file already has as RPATH or RUNPATH; then it is enough to
    point the tag further into the same string. False means that this is not so, and nothing was changed.
    """
    from elftools.elf.elffile import ELFFile

    value = ":".join(entries)
    edits: list[tuple[int, int, int]] = []
    placed = False
    with open(elf.path, "rb") as stream:
        file = ELFFile(stream)
        wide = file.elfclass == 64
        order = "<" if file.little_endian else ">"
        entry = struct.Struct(order + ("qQ" if wide else "iI"))
        for segment in cast("Iterator[Any]", file.iter_segments()):
            if segment["p_type"] != "PT_DYNAMIC":
                continue
            for index, tag in enumerate(segment.iter_tags()):
                if tag.entry.d_tag not in ("DT_RPATH", "DT_RUNPATH"):
                    continue
                current = tag.rpath if tag.entry.d_tag == "DT_RPATH" else tag.runpath
                place = segment["p_offset"] + index * entry.size
                if not placed and value and current.endswith(value):
                    shift = len(current.encode()) - len(value.encode())
                    edits.append((place, DT_RPATH, tag.entry.d_val + shift))
                    placed = True
                else:
                    # An empty DT_RPATH (offset 0 of the string table) is ignored by every loader.
                    edits.append((place, DT_RPATH, 0))
    if value and not placed:
        return False
    with open(elf.path, "r+b") as out:
        for place, number, offset in edits:
            out.seek(place)
            out.write(entry.pack(number, offset))
    return True
