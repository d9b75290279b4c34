"""The sections of ELF files, and of files that are damaged or none."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from elves import Part, library
from launching import a_library

from freezer.link.payload.sections import ELF_HEADER, SECTION_HEADER, Section, sections_of


def found(data: bytes) -> tuple[int, list[Section]]:
    return sections_of(io.BytesIO(data), len(data))


def test_the_sections_of_a_library() -> None:
    machine, sections = found(a_library().read_bytes())
    names = {item.name: item for item in sections}
    assert machine in (62, 183)
    assert names[".text"].executable and not names[".rodata"].executable
    assert names[".dynsym"].width == 24
    places = [(item.offset, item.offset + item.size) for item in sections]
    assert all(place[1] <= after[0] for place, after in zip(places, places[1:]))


def test_made_sections() -> None:
    data = library(Part(".a", b"1234", kind=1, flags=4, width=2), Part(".none", b"", kind=8), Part(".b", b"56", kind=3))
    machine, sections = found(data)
    assert machine == 62
    assert [(item.name, item.kind, item.size, item.width) for item in sections[:2]] == [
        (".a", 1, 4, 2),
        (".b", 3, 2, 0),
    ]
    assert sections[0].executable and data[sections[1].offset :][:2] == b"56"


def test_what_has_no_sections() -> None:
    data = library(Part(".a", b"1234"))
    start = ELF_HEADER.unpack_from(data)[8]
    for damaged in (
        b"",
        data[:40],
        b"\x7fELG" + data[4:],
        data[:4] + b"\1" + data[5:],  # of 32 bits
        data[:5] + b"\2" + data[6:],  # big-endian
        data[: start + 10],
        data[:40] + b"\xff" * 8 + data[48:],
        data[:58] + b"\x41" + data[59:],  # another size of entries
        data[:62] + b"\xff\xff",  # no names
    ):
        assert found(damaged) == (0, [])


@pytest.mark.parametrize("offset", [24, 32])
def test_sections_beyond_the_end_and_over_others(offset: int, tmp_path: Path) -> None:
    data = bytearray(library(Part(".a", b"1" * 100), Part(".b", b"2" * 100), Part(".c", b"3" * 100)))
    start = ELF_HEADER.unpack_from(data)[8] + SECTION_HEADER.size * 2
    for value in (1 << 63, (1 << 64) - 1, len(data)):
        struct.pack_into("<Q", data, start + offset, value)
        assert [item.name for item in found(bytes(data))[1]][:2] == [".a", ".c"]
    struct.pack_into("<QQ", data, start + 24, ELF_HEADER.size + 50, 100)
    assert [item.name for item in found(bytes(data))[1]][:2] == [".a", ".c"]
