"""Which filters a file gets, and that what is packed with them becomes smaller."""

from __future__ import annotations

import itertools
import math
import os
import random
import struct
from pathlib import Path

import pytest
from elves import Part, library
from launching import a_library, write_modules

from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link.modules import ARCHIVE_MAGIC
from freezer.link.payload import choose
from freezer.link.payload.choose import BLOCK, filters_of
from freezer.link.payload.filter import LARGEST, Filter, Kind
from freezer.link.payload.pack import Record, Type, write
from freezer.plan.choices import Packing

CODE, MERGED = 4, 16
CHOSEN = random.Random(1)


def rising(step: int, count: int) -> list[int]:
    return list(itertools.accumulate(CHOSEN.randrange(1, step) for _ in range(count)))


NUMBERS = struct.pack("<9000H", *rising(7, 9000))
TEXT = b"".join(b"%d bottles of beer on the wall, %d bottles of beer.\n" % (n, n) for n in range(900))
CHANCE = CHOSEN.randbytes(40000)
DOUBLES = struct.pack("<3000d", *(math.sin(number / 300) for number in range(3000)))
WIDE = struct.pack("<4000I", *rising(999, 4000))


def chosen(path: Path, data: bytes) -> list[Filter]:
    path.write_bytes(data)
    return list(filters_of(path))


def kinds(filters: list[Filter], data: bytes) -> list[tuple[str, bytes, int]]:
    return [(item.kind.name, data[item.offset : item.offset + 4], item.entries) for item in filters]


def test_the_sections_of_a_library(tmp_path: Path) -> None:
    entry = struct.pack("<II", 12, 0) + bytes(8)
    data = library(
        Part(".init", b"init" * 200, flags=CODE),
        Part(".text", b"text" * 900, flags=CODE),
        Part(".plt", b"plt." * 200, flags=CODE, width=16),
        Part(".eh_frame", entry * 40),
        Part(".eh_frame_hdr", b"hdr." * 9),
        Part(".gnu.hash", b"hash" * 9, kind=0x6FFFFFF6),
        Part(".dynsym", b"syms" * 180, kind=11, width=24),
        Part(".dynstr", b"strs" * 9, kind=3),
        Part(".rela.dyn", b"rela" * 600, kind=4, width=24),
        Part(".got", b"got." * 10, width=8),  # too small
        Part(".merged", b"same" * 600, flags=MERGED, width=8),
        Part(".rodata", NUMBERS),
    )
    found = chosen(tmp_path / "file", data)
    assert kinds(found[:9], data) == [
        ("CODE", b"text", 0),
        ("ROWS", b"plt.", 16),
        ("UNWINDING", entry[:4], 40),
        ("UNWINDING_INDEX", b"hdr.", 0),
        ("HASHES", b"hash", 0),
        ("ROWS", b"syms", 24),
        ("SYMBOLS", b"syms", 0),
        ("STRINGS", b"strs", 0),
        ("ROWS", b"rela", 24),
    ]
    assert {item.kind for item in found[9:]} == {Kind.ROWS} and found[9].offset == data.index(NUMBERS)


def test_code_for_another_machine(tmp_path: Path) -> None:
    data = library(Part(".text", b"text" * 900, flags=CODE), machine=183)
    assert chosen(tmp_path / "file", data) == []


@pytest.mark.parametrize(
    ("data", "width"),
    [(NUMBERS, 2), (WIDE, 4), (DOUBLES, 8), (TEXT, 1), (CHANCE, 1), (bytes(40000), 1), (ARCHIVE_MAGIC + NUMBERS, 1)],
    ids=["numbers", "wide", "doubles", "text", "chance", "zeros", "modules"],
)
def test_other_files(data: bytes, width: int, tmp_path: Path) -> None:
    found = chosen(tmp_path / "file", data)
    # A block here and there may be smaller with wider rows.
    assert {item.entries % width for item in found} == ({0} if width > 1 else set())
    assert sum(item.size for item in found) in (0, len(data))


def test_an_archive_of_modules(tmp_path: Path) -> None:
    """Modules are filtered together, but for those behind a cut; not the table in front of them."""
    path = tmp_path / "modules"
    cuts = write_modules(path)
    found = filters_of(path, cuts)
    assert [(item.kind, item.offset, item.over) for item in found] == [
        (Kind.OBJECTS, cuts[0], cuts[1]),
        (Kind.OBJECTS, cuts[1], path.stat().st_size),
    ]
    assert [item.over for item in filters_of(path)] == [path.stat().st_size]


def test_archives_of_other_code(tmp_path: Path) -> None:
    """What is no code as Python writes it, and what only begins like an archive, stays as it is."""
    path = tmp_path / "modules"
    write_modules(path)
    data = path.read_bytes()
    size = 16 + int.from_bytes(data[8:16], "little")
    for changed in (data[:size] + b"?" + data[size + 1 :], data[:-1], data[:40], data[:16], data[:16] + b"?" * 99):
        assert [
            item for item in chosen(path, changed) if item.over > len(changed) or item.kind is not Kind.OBJECTS
        ] == []
    assert chosen(path, data[:size] + b"?" + data[size + 1 :]) == []


def test_numbers_among_text(tmp_path: Path) -> None:
    """Only the blocks of the numbers are filtered, with one filter for those that follow one another."""
    text = (TEXT * 2)[: 4 * BLOCK]
    data = text + NUMBERS[: 2 * BLOCK] + text
    assert chosen(tmp_path / "file", data) == [Filter(Kind.ROWS, 4 * BLOCK, 2 * BLOCK, 2)]


def test_odd_libraries(tmp_path: Path) -> None:
    """The launcher refuses two tables of a kind, and rows of a byte: files that have them are packed all the same."""
    symbols = Part(".dynsym", b"syms" * 300, kind=11, width=24)
    data = library(
        *(Part(name, bytes(600), flags=2) for name in (".eh_frame", ".eh_frame_hdr", ".gnu.hash", ".dynstr")),
        *(Part(name, bytes(700), flags=2) for name in (".eh_frame", ".eh_frame_hdr", ".gnu.hash", ".dynstr")),
        *(Part(".dynsym", b"syms" * 300, kind=11, width=width) for width in (0, 1, 25)),
        symbols,
        symbols,
    )
    found = chosen(tmp_path / "file", data)
    tables = [item.kind for item in found if item.kind.is_table]
    assert sorted(tables) == sorted(set(tables)) and len(tables) == 5
    assert all(item.entries > 1 for item in found if item.kind is Kind.ROWS)


def test_what_was_tried_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with a memory, without, and with a damaged one; nothing is tried twice."""
    memory = ContentMemory(str(tmp_path / "memory"))
    path = tmp_path / "file"
    path.write_bytes((TEXT * 4)[: 9 * BLOCK] + NUMBERS)
    plain = filters_of(path)
    assert filters_of(path, (), memory) == plain
    monkeypatch.setattr(choose, "_width", None)
    assert filters_of(path, (), memory) == plain
    monkeypatch.undo()
    for damaged in (b"", b"\3" * 12, "text"):
        memory.put(memory.key("widths", path.read_bytes()), damaged)
        assert filters_of(path, (), memory) == plain


def test_the_largest_and_the_smallest_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(library(Part(".text", b"text" * 900, flags=CODE)))
    os.truncate(path, LARGEST)
    assert [item.kind for item in filters_of(path)] == [Kind.CODE]
    os.truncate(path, LARGEST + 1)
    assert filters_of(path) == ()
    assert chosen(path, NUMBERS[:500]) == [] and chosen(path, b"") == []


@pytest.mark.parametrize("compression", [Packing.FAST, Packing.SMALL])
def test_libraries_become_smaller(compression: Packing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = tmp_path / "launcher"
    launcher.write_bytes(b"")
    records = [Record(Type.FILE, "library", source=a_library())]
    size = write(launcher, records, compression, tmp_path / "filtered").size
    monkeypatch.setattr("freezer.link.payload.pack.filters_of", lambda *_: ())
    assert size < 0.9 * write(launcher, records, compression, tmp_path / "plain").size
