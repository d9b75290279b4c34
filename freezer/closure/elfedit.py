"""The few edits that freezer makes to ELF files.

They change values in place and never move anything, so that they cannot break a file the way re-laying it out can; what
cannot be done in place is left to patchelf by the caller.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from freezer.base.elf import Elf
from freezer.base.elf_file import DT_FLAGS_1, DT_NULL, DT_RPATH, DT_RUNPATH, PF_X, PT_GNU_STACK, ElfFile, Tag

DF_1_NODEFLIB = 0x800
DISPENSABLE = frozenset((21, 0x6FFFFFF9, 0x6FFFFFFA, 0x6FFFFDF5, 0x6FFFFDF8))
"""Tags of libraries that the loader does without (gABI; elf.h): DT_DEBUG, which only a program's is used of, the counts
DT_RELACOUNT and DT_RELCOUNT, which save it a test, and prelink's DT_GNU_PRELINKED and DT_CHECKSUM."""


def clear_executable_stack(path: Path) -> None:
    """Clear the executable flag of PT_GNU_STACK: kernels and hardened hosts refuse to load such a library."""
    with open(path, "r+b") as stream:
        file = ElfFile(stream, path)
        for segment in file.segments():
            if segment.kind == PT_GNU_STACK:
                stream.seek(file.flags_of(segment))
                stream.write(file.word.pack(segment.flags & ~PF_X))


def forbid_default_directories(path: Path) -> bool:
    """Keep the loader from searching the system's directories for what this file needs or opens (DF_1_NODEFLIB, gABI).

    In place: in the tag that it has, in one of those that GNU ld leaves free at the end of the table, or in one that
    the loader can do without. Returns False if there is none, and nothing was changed.
    """
    with open(path, "r+b") as stream:
        file = ElfFile(stream, path)
        tags = file.tags()
        if tags is None:
            # Nothing is loaded for a file without a dynamic section.
            return True
        known = next((tag for tag in tags if tag.number == DT_FLAGS_1), None)
        if known is not None:
            place, value = known.place, known.value | DF_1_NODEFLIB
        else:
            free = _replaceable(tags)
            if free is None:
                return False
            place, value = free.place, DF_1_NODEFLIB
        stream.seek(place)
        stream.write(file.tag.pack(DT_FLAGS_1, value))
    return True


def _replaceable(tags: list[Tag]) -> Optional[Tag]:
    """Return a tag that can become another one; None if a library has none."""
    numbers = [tag.number for tag in tags]
    end = numbers.index(DT_NULL) if DT_NULL in numbers else len(numbers)
    if numbers[end : end + 2] == [DT_NULL, DT_NULL]:
        return tags[end]
    return next((tag for tag in tags[:end] if tag.number in DISPENSABLE or tag[:2] == (DT_RPATH, 0)), None)


def set_rpath_in_place(elf: Elf, entries: list[str]) -> bool:
    """Make ``entries`` the file's DT_RPATH, dropping DT_RUNPATH, without moving a byte.

    The new value must be empty or a suffix of a string the file already has as RPATH or RUNPATH; then it is enough to
    point the tag further into the same string. False means that this is not so, and nothing was changed.
    """
    value = os.fsencode(":".join(entries))
    edits: list[tuple[int, int]] = []
    placed = False
    with open(elf.path, "r+b") as stream:
        file = ElfFile(stream, elf.path)
        tags = file.tags() or []
        paths = _searched(tags)
        strings = file.strings(tags) if paths else 0
        for tag in paths:
            current = os.fsencode(file.string(strings + tag.value))
            if not placed and value and current.endswith(value):
                edits.append((tag.place, tag.value + len(current) - len(value)))
                placed = True
            else:
                # An empty DT_RPATH (offset 0 of the string table) is ignored by every loader.
                edits.append((tag.place, 0))
        if value and not placed:
            return False
        for place, offset in edits:
            stream.seek(place)
            stream.write(file.tag.pack(DT_RPATH, offset))
    return True


def _searched(tags: list[Tag]) -> list[Tag]:
    """The entries that say where a file's libraries are."""
    numbers = [tag.number for tag in tags]
    end = numbers.index(DT_NULL) if DT_NULL in numbers else len(numbers)
    return [tag for tag in tags[:end] if tag.number in (DT_RPATH, DT_RUNPATH)]
