"""List the sections of an ELF file in order to choose filters for them.

Do not use ``freezer.base.elf``, which reads the whole file: this is called for each file that is packed. Nothing here
raises for a damaged file, which is packed as it is.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

from freezer.base.elf_file import MAGIC

ELF_HEADER = struct.Struct("<4sBB10xHHIQQQIHHHHHH")
"""The header of a 64-bit file; like SECTION_HEADER, from the System V gABI, chapters 4 and 5."""
SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
LITTLE_64 = (2, 1)
X86_64 = 62
SHT_PROGBITS, SHT_NOBITS = 1, 8
SHF_EXECINSTR, SHF_MERGE = 4, 16
MAX_NAMES = 1 << 20
"""Bytes of the sections' names: more are not read."""


@dataclass(frozen=True)
class Section:
    """A section with bytes in the file; ``width`` is the size of its entries, 0 if it has none."""

    name: str
    kind: int
    flags: int
    offset: int
    size: int
    width: int

    @property
    def executable(self) -> bool:
        """Return whether it contains code."""
        return bool(self.flags & SHF_EXECINSTR)


def sections_of(file: IO[bytes], total: int) -> tuple[int, list[Section]]:
    """Return the machine that a file is for, and its sections in the order of their places, without those that overlap
    one before them. For files that are not ELF files of 64 bits, little-endian, with sections, return 0 and none."""
    header = file.read(ELF_HEADER.size)
    if len(header) < ELF_HEADER.size:
        return 0, []
    magic, *kind, _, machine, _, _, _, start, _, _, _, _, size, count, names = ELF_HEADER.unpack(header)
    if (magic, tuple(kind), size) != (MAGIC, LITTLE_64, SECTION_HEADER.size) or start + size * count > total:
        return 0, []
    file.seek(start)
    entries = list(SECTION_HEADER.iter_unpack(file.read(size * count)))
    if not names < len(entries) or entries[names][4] + min(entries[names][5], MAX_NAMES) > total:
        return 0, []
    file.seek(entries[names][4])
    text = file.read(min(entries[names][5], MAX_NAMES))
    found: list[Section] = []
    for name, kind_, flags, _, offset, length, _, _, _, width in sorted(entries, key=lambda item: item[4:6]):
        if kind_ in (0, SHT_NOBITS) or not length or offset + length > total:
            continue
        if found and offset < found[-1].offset + found[-1].size:
            continue
        word = text[name : name + 64].partition(b"\0")[0].decode("ascii", "replace")
        found.append(Section(word, kind_, flags, offset, length, width))
    return machine, found
