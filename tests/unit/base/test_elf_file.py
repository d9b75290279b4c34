"""ELF files made by hand, of both classes and byte orders, with what no compiler makes on request."""

from __future__ import annotations

import io
import itertools
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import pytest

from freezer.base.elf_file import (
    DT_NEEDED,
    DT_NULL,
    DT_STRTAB,
    EXTENDED_INDEX,
    EXTENDED_SEGMENTS,
    MAX_TABLE,
    PT_DYNAMIC,
    PT_GNU_STACK,
    PT_LOAD,
    ElfFile,
    NotElf,
)

ADDRESS = 0x400000
STRINGS = b"\0libc.so.6\0"
NAMES = b"\0.names\0.debug_info\0"
CLASSES = list(itertools.product((64, 32), ("<", ">")))


@dataclass
class Made:
    """The file's bytes, and where its parts are."""

    image: bytearray
    segments: int
    sections: int
    dynamic: int


def make(bits: int, order: str, *, extended: bool = False, without_sections: bool = False) -> Made:
    """A library with three segments, which needs another one, and three sections, the last called .debug_info."""
    header_size, segment_size, section_size = (64, 56, 64) if bits == 64 else (52, 32, 40)
    segments = header_size
    strings = segments + 3 * segment_size
    names = strings + len(STRINGS)
    dynamic = names + len(NAMES)
    tag = struct.Struct(order + ("qQ" if bits == 64 else "iI"))
    tags = [(DT_NEEDED, 1), (DT_STRTAB, ADDRESS + strings), (DT_NULL, 0), (DT_NULL, 0)]
    sections = dynamic + len(tags) * tag.size

    def segment(kind: int, flags: int, offset: int, address: int, size: int) -> bytes:
        if bits == 64:
            return struct.pack(order + "IIQQQQQQ", kind, flags, offset, address, address, size, size, 1)
        return struct.pack(order + "IIIIIIII", kind, offset, address, address, size, size, flags, 1)

    def section(name: int, offset: int, size: int, link: int = 0, info: int = 0) -> bytes:
        layout = "IIQQQQIIQQ" if bits == 64 else "IIIIIIIIII"
        return struct.pack(order + layout, name, 1, 0, 0, offset, size, link, info, 1, 0)

    place = 0 if without_sections else sections
    counts = (
        (segment_size, EXTENDED_SEGMENTS, section_size, 0, EXTENDED_INDEX)
        if extended
        else (segment_size, 3, section_size, 0 if without_sections else 3, 1)
    )
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    fields = (3, 62, 1, 0, segments, place, 0, header_size, *counts)
    header = struct.pack(order + ("HHIQQQIHHHHHH" if bits == 64 else "HHIIIIIHHHHHH"), *fields)
    image = ident + header
    image += segment(PT_LOAD, 5, 0, ADDRESS, sections)
    image += segment(PT_DYNAMIC, 6, dynamic, ADDRESS + dynamic, len(tags) * tag.size)
    image += segment(PT_GNU_STACK, 7, 0, 0, 0)
    image += STRINGS + NAMES + b"".join(tag.pack(*item) for item in tags)
    first = section(0, 0, 3, 1, 3) if extended else section(0, 0, 0)
    image += first + section(1, names, len(NAMES)) + section(NAMES.index(b".debug"), 0, 12)
    return Made(bytearray(image), segments, sections, dynamic)


def opened(image: bytes | bytearray) -> ElfFile:
    return ElfFile(io.BytesIO(image), Path("/made"))


@pytest.mark.parametrize("extended", [False, True], ids=["plain", "extended"])
@pytest.mark.parametrize(("bits", "order"), CLASSES)
def test_tables(bits: int, order: str, extended: bool) -> None:
    made = make(bits, order, extended=extended)
    file = opened(made.image)
    assert (file.bits, file.kind, file.machine) == (bits, "ET_DYN", "EM_X86_64")
    assert [(item.kind, item.flags) for item in file.segments()] == [(PT_LOAD, 5), (PT_DYNAMIC, 6), (PT_GNU_STACK, 7)]
    tags = file.tags()
    assert tags is not None
    assert [tag.number for tag in tags] == [DT_NEEDED, DT_STRTAB, DT_NULL, DT_NULL]
    assert tags[0].place == made.dynamic
    assert file.string(file.strings(tags) + tags[0].value) == "libc.so.6"
    found = file.section(".debug_info")
    assert found is not None
    assert found.size == 12
    assert file.section(".debug") is None
    assert file.section(".none") is None


@pytest.mark.parametrize(("bits", "order"), CLASSES)
def test_values_are_written_where_they_were_read(bits: int, order: str) -> None:
    made = make(bits, order)
    file = opened(made.image)
    stack = list(file.segments())[2]
    place = file.flags_of(stack)
    made.image[place : place + 4] = file.word.pack(6)
    place = (file.tags() or [])[2].place
    made.image[place : place + file.tag.size] = file.tag.pack(DT_NEEDED, 6)
    again = opened(made.image)
    assert list(again.segments())[2].flags == 6
    assert [(tag.number, tag.value) for tag in again.tags() or []][2:] == [(DT_NEEDED, 6), (DT_NULL, 0)]


def test_without_sections() -> None:
    assert opened(make(64, "<", without_sections=True).image).section(".debug_info") is None


def test_without_a_dynamic_section() -> None:
    made = make(64, "<")
    made.image[made.segments + 56 : made.segments + 60] = struct.pack("<I", 0)
    assert opened(made.image).tags() is None


@pytest.mark.parametrize("length", [0, 3, 4, 15, 16, 40, 63])
def test_a_file_that_ends_in_its_header(length: int) -> None:
    with pytest.raises(NotElf):
        opened(make(64, "<").image[:length])


@pytest.mark.parametrize(
    ("place", "value", "why"),
    [
        (4, b"\3", "no known class"),
        (5, b"\0", "no known class or byte order"),
        (32, struct.pack("<Q", 1 << 63), "is a damaged ELF file"),
        (32, struct.pack("<Q", 1 << 20), "ends before byte"),
        (54, struct.pack("<H", 8), "an entry of its segment table has 8 bytes"),
    ],
)
def test_a_damaged_header(place: int, value: bytes, why: str) -> None:
    made = make(64, "<")
    made.image[place : place + len(value)] = value
    with pytest.raises(NotElf, match=why):
        list(opened(made.image).segments())


def field(made: Made, place: int, value: int) -> ElfFile:
    """The file with one number of 8 bytes replaced."""
    made.image[place : place + 8] = struct.pack("<Q", value)
    return opened(made.image)


@pytest.mark.parametrize("size", [MAX_TABLE + 16, 1 << 20])
def test_a_dynamic_section_that_is_too_long(size: int) -> None:
    made = make(64, "<")
    with pytest.raises(NotElf):
        field(made, made.segments + 56 + 32, size).tags()


def test_strings_that_are_nowhere() -> None:
    made = make(64, "<")
    file = field(made, made.dynamic + 16 + 8, 1)
    with pytest.raises(NotElf, match="in no segment"):
        file.strings(file.tags() or [])
    with pytest.raises(NotElf, match="has no strings"):
        file.strings([])


@pytest.mark.parametrize("offset", [-1, 1 << 40, 1 << 70, None])
def test_a_string_that_has_no_end(offset: Optional[int]) -> None:
    image = bytes(make(64, "<").image) + b"endless" * 20000
    with pytest.raises(NotElf):
        opened(image).string(len(image) - 100000 if offset is None else offset)


def test_names_of_sections_that_are_nowhere() -> None:
    made = make(64, "<")
    with pytest.raises(NotElf):
        field(made, made.sections + 64 + 24, 1 << 50).section(".debug_info")
