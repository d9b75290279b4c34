"""The tables of an ELF file: its segments, its dynamic section, the names of its sections (System V gABI, chapters 4
and 5; elf(5)).

A build reads some 200 libraries, most of them more than once, and of each a few values only. A general library makes an
object of every section and of every symbol table first, which took a fifth of a build that had nothing else to do.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Optional

from freezer.base.shortage import raise_shortage

MAGIC = b"\x7fELF"
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_GNU_STACK = 1, 2, 3, 0x6474E551
PF_X = 1
DT_NULL, DT_NEEDED, DT_STRTAB, DT_SONAME, DT_RPATH, DT_RUNPATH, DT_FLAGS_1 = 0, 1, 5, 14, 15, 29, 0x6FFFFFFB
EXTENDED_SEGMENTS, EXTENDED_INDEX = 0xFFFF, 0xFFFF
"""PN_XNUM and SHN_XINDEX: the value does not fit into the header, and is in the section 0."""
MAX_TABLE = 1 << 24
MAX_STRING = 1 << 16
"""Bytes of what is read at once: more is no table and no string of a file that a compiler made."""

MACHINES = {
    2: "EM_SPARC",
    3: "EM_386",
    8: "EM_MIPS",
    20: "EM_PPC",
    21: "EM_PPC64",
    22: "EM_S390",
    40: "EM_ARM",
    43: "EM_SPARCV9",
    50: "EM_IA_64",
    62: "EM_X86_64",
    183: "EM_AARCH64",
    243: "EM_RISCV",
    258: "EM_LOONGARCH",
}
KINDS = {0: "ET_NONE", 1: "ET_REL", 2: "ET_EXEC", 3: "ET_DYN", 4: "ET_CORE"}
"""Values of the header, and their names (elf.h)."""


class NotElf(ValueError):
    """The file is not an ELF file, or is damaged."""


class Segment(NamedTuple):
    """An entry of the program header table. ``place`` is the entry's own place in the file, in bytes."""

    kind: int
    flags: int
    offset: int
    address: int
    size: int
    place: int


class Section(NamedTuple):
    """An entry of the section header table; ``name`` is its place in the table of names."""

    name: int
    offset: int
    size: int
    link: int
    info: int


class Tag(NamedTuple):
    """An entry of the dynamic section. ``place`` is the entry's own place in the file, in bytes."""

    number: int
    value: int
    place: int


@dataclass(frozen=True)
class _Layout:
    """The structures of a class of files: the header behind its first 16 bytes, and the entries of the tables."""

    header: str
    segment: str
    section: str
    tag: str


_WIDE = _Layout("HHIQQQIHHHHHH", "IIQQQQQQ", "IIQQQQIIQQ", "qQ")
_NARROW = _Layout("HHIIIIIHHHHHH", "IIIIIIII", "IIIIIIIIII", "iI")


class ElfFile:
    """An open ELF file, which must be seekable. Everything raises NotElf if the file is damaged."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self._stream = stream
        self._path = path
        if self._some(0, 4) != MAGIC:
            raise NotElf(f"{path} is not an ELF file")
        start = self.read(0, 16)
        if start[4] not in (1, 2) or start[5] not in (1, 2):
            raise self.damaged("it is of no known class or byte order")
        self.bits = 64 if start[4] == 2 else 32
        self._order = "<" if start[5] == 1 else ">"
        self._layout = _WIDE if self.bits == 64 else _NARROW
        header = self._struct(self._layout.header)
        fields = header.unpack(self.read(16, header.size))
        self.kind = KINDS.get(fields[0], str(fields[0]))
        self.machine = MACHINES.get(fields[1], str(fields[1]))
        self._segments = (fields[4], fields[8], fields[9])
        self._sections = (fields[5], fields[10], fields[11])
        self._names = fields[12]

    @property
    def tag(self) -> struct.Struct:
        """The structure of an entry of the dynamic section: its number and its value."""
        return self._struct(self._layout.tag)

    @property
    def word(self) -> struct.Struct:
        """The structure of a segment's flags."""
        return self._struct("I")

    def flags_of(self, segment: Segment) -> int:
        """The place in the file of a segment's flags."""
        return segment.place + (4 if self.bits == 64 else 24)

    def read(self, offset: int, size: int) -> bytes:
        """Return so many bytes of the file."""
        if size > MAX_TABLE:
            raise self.damaged(f"it has a table of {size} bytes")
        data = self._some(offset, size)
        if len(data) != size:
            raise self.damaged(f"it ends before byte {offset + size}")
        return data

    def segments(self) -> Iterator[Segment]:
        """The segments, in the file's order."""
        place, size, count = self._segments
        if count == EXTENDED_SEGMENTS:
            count = self._section(0).info
        entry = self._struct(self._layout.segment)
        for start, data in self._entries(place, size, count, entry, "segment"):
            values = entry.unpack_from(data)
            if self.bits == 64:
                kind, flags, offset, address, _, length = values[:6]
            else:
                kind, offset, address, _, length, _, flags = values[:7]
            yield Segment(kind, flags, offset, address, length, start)

    def end(self) -> int:
        """The place behind the last part of the file that its tables tell of, in bytes."""
        place, size, count = self._sections
        ends: list[int] = [place + size * count]
        return max(ends + [segment.offset + segment.size for segment in self.segments()])

    def tags(self) -> Optional[list[Tag]]:
        """The dynamic section with all entries that are reserved for it; None if the file has none."""
        found = next((segment for segment in self.segments() if segment.kind == PT_DYNAMIC), None)
        if found is None:
            return None
        entry = self.tag
        table = self.read(found.offset, found.size // entry.size * entry.size)
        return [
            Tag(number, value, found.offset + index * entry.size)
            for index, (number, value) in enumerate(entry.iter_unpack(table))
        ]

    def strings(self, tags: list[Tag]) -> int:
        """The place in the file of the strings that a dynamic section's entries point into."""
        address = next((tag.value for tag in tags if tag.number == DT_STRTAB), None)
        if address is None:
            raise self.damaged("its dynamic section has no strings")
        for segment in self.segments():
            if segment.kind == PT_LOAD and segment.address <= address < segment.address + segment.size:
                return address - segment.address + segment.offset
        raise self.damaged("the strings of its dynamic section are in no segment")

    def string(self, offset: int) -> str:
        """The string at a place in the file, up to its zero byte."""
        data = b""
        while b"\0" not in data and len(data) < MAX_STRING:
            more = self._some(offset + len(data), 512)
            if not more:
                break
            data += more
        text, end, _ = data.partition(b"\0")
        if not end:
            raise self.damaged(f"the string at byte {offset} has no end")
        return os.fsdecode(text)

    def section(self, name: str) -> Optional[Section]:
        """The first section of this name; None if there is none."""
        place, size, count = self._sections
        if place == 0:
            return None
        first = self._section(0)
        index = first.link if self._names == EXTENDED_INDEX else self._names
        names = self._section(index) if index else None
        if names is None:
            return None
        table = self.read(names.offset, names.size)
        entry = self._struct(self._layout.section)
        wanted = os.fsencode(name) + b"\0"
        # A count of 0 says that it does not fit into the header.
        for _, data in self._entries(place, size, count or first.size, entry, "section"):
            found = self._of(entry.unpack_from(data))
            if table[found.name : found.name + len(wanted)] == wanted:
                return found
        return None

    def damaged(self, why: str) -> NotElf:
        """Return the error for a damaged file."""
        return NotElf(f"{self._path} is a damaged ELF file: {why}")

    def _some(self, offset: int, size: int) -> bytes:
        """Return at most so many bytes of the file."""
        try:
            self._stream.seek(offset)
            return self._stream.read(size)
        except (OSError, ValueError, OverflowError) as error:
            # Offsets of a damaged file are ones that the system refuses to seek to.
            if isinstance(error, OSError):
                raise_shortage(error)
            raise self.damaged(str(error)) from error

    def _section(self, index: int) -> Section:
        place, size, _ = self._sections
        entry = self._struct(self._layout.section)
        if place == 0 or size < entry.size:
            raise self.damaged("it has no table of sections")
        return self._of(entry.unpack(self.read(place + index * size, entry.size)))

    @staticmethod
    def _of(values: tuple[int, ...]) -> Section:
        name, _, _, _, offset, size, link, info = values[:8]
        return Section(name, offset, size, link, info)

    def _entries(
        self, place: int, size: int, count: int, entry: struct.Struct, what: str
    ) -> Iterator[tuple[int, bytes]]:
        """The entries of a table, each with its place in the file."""
        if count and size < entry.size:
            raise self.damaged(f"an entry of its {what} table has {size} bytes")
        table = self.read(place, size * count) if count else b""
        for index in range(count):
            yield place + index * size, table[index * size : index * size + entry.size]

    def _struct(self, layout: str) -> struct.Struct:
        return struct.Struct(self._order + layout)
