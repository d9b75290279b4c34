"""The filters for tables of libraries: that linkers' tables are predicted, and that every content is restored."""

from __future__ import annotations

import contextlib
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from launching import a_library

from freezer.link.payload.choose import filters_of
from freezer.link.payload.filter import DamagedContent, Filter, Kind, library
from freezer.link.payload.tables import ChangedFile, changed_tables, restore_tables

WORD = st.one_of(st.integers(0, 40), st.sampled_from([1 << 31, (1 << 32) - 1]), st.integers(0, (1 << 32) - 1))
WORDS = st.lists(WORD, max_size=60).map(lambda words: struct.pack(f"<{len(words)}I", *words))


def changed(file: IO[bytes], filters: Sequence[Filter]) -> bytes:
    file.seek(0)
    return ChangedFile(file, changed_tables(file, filters)).read(1 << 30)


def restored(data: bytes, filters: Sequence[Filter]) -> bytes:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        restore_tables(file.fileno(), filters)
        file.seek(0)
        return file.read()


@contextlib.contextmanager
def tables(*parts: tuple[Kind, bytes]) -> Iterator[tuple[IO[bytes], list[Filter]]]:
    """A file with some tables, one after the other."""
    with tempfile.TemporaryFile() as file:
        filters = []
        for kind, data in parts:
            entries = library().unwinding_entries(data, len(data)) if kind is Kind.UNWINDING else 0
            if data:
                filters.append(Filter(kind, file.tell(), len(data), entries))
            file.write(data)
        file.flush()
        yield file, filters


def check(*parts: tuple[Kind, bytes]) -> None:
    with tables(*parts) as (file, filters):
        assert restored(changed(file, filters), filters) == b"".join(data for _, data in parts)


def test_the_tables_of_a_library_are_predicted() -> None:
    """The index and the hashes of what a linker made become zeros behind their heads."""
    path = a_library()
    filters = filters_of(path)
    places = {item.kind: item for item in filters}
    with open(path, "rb") as file:
        content = changed(file, filters)
    index, hashes = places[Kind.UNWINDING_INDEX], places[Kind.HASHES]
    assert not any(content[index.offset + 12 : index.over]) and index.size > 1000
    assert not any(content[hashes.offset + 16 : hashes.over]) and hashes.size > 1000
    assert places[Kind.UNWINDING].entries > 100
    assert restored(content, filters) == path.read_bytes()


def test_an_unwinding_table() -> None:
    """The common entry's position and the distance from the code before are what is stored, in columns."""
    common = struct.pack("<II", 12, 0) + b"common  "
    first = struct.pack("<IIiI", 16, 20, 0x1000 - 24, 0x21) + b"1234"
    second = struct.pack("<IIiI", 16, 40, 0x1030 - 44, 0x10) + b"abcd"
    table = common + first + second + bytes(4)
    lengths, commons = (bytes([12, 16, 16]) + bytes(9), bytes([0, 1, 1]) + bytes(9))
    places, sizes = struct.pack("<4H", 0, 0x10, 0, 0), struct.pack("<8B", 0x21, 0x10, *bytes(6))
    expected = lengths + commons + places + sizes + b"common  " + b"1234" + b"abcd" + bytes(4)
    with tables((Kind.UNWINDING, table)) as (file, filters):
        assert filters[0].entries == 3
        assert changed(file, filters) == expected


@given(WORDS, st.binary(max_size=3))
def test_every_unwinding_table_is_restored(words: bytes, more: bytes) -> None:
    check((Kind.UNWINDING, words + more))


@given(st.lists(st.tuples(st.integers(0, 30), WORD, WORD, WORD, st.integers(0, 9)), max_size=20), WORDS, st.booleans())
def test_every_index_is_restored(entries: list[tuple[int, int, int, int, int]], rows: bytes, usual: bool) -> None:
    table = b"".join(
        struct.pack("<IIII", 12 + more, distance * 4, place, size) + bytes(more)
        for distance, place, size, _, more in entries
    )
    head = b"\1\x1b\3\x3b" if usual else b"\1\x1b\3\x0b"
    check((Kind.UNWINDING_INDEX, head + rows), (Kind.UNWINDING, table))


@given(
    st.lists(st.tuples(WORD, st.binary(max_size=6)), max_size=12),
    st.integers(0, 5),
    st.integers(0, 4),
    st.integers(0, 6),
    WORD,
    WORDS,
)
def test_all_hashes_are_restored(
    symbols: list[tuple[int, bytes]], buckets: int, words: int, first: int, shift: int, rest: bytes
) -> None:
    strings = b"\0".join(name for _, name in symbols) + b"\0"
    table = b"".join(struct.pack("<I20x", place % (len(strings) + 3)) for place, _ in symbols)
    hashes = struct.pack("<4I", buckets, first, words, shift) + rest
    check((Kind.HASHES, hashes), (Kind.SYMBOLS, table), (Kind.STRINGS, strings))


def test_tables_alone_stay() -> None:
    """An index without its table, and hashes without symbols."""
    for kind in (Kind.UNWINDING_INDEX, Kind.HASHES, Kind.STRINGS):
        with tables((kind, bytes(range(200)))) as (file, filters):
            assert changed(file, filters) == bytes(range(200))
            assert restored(bytes(range(200)), filters) == bytes(range(200))


@pytest.mark.parametrize(
    ("data", "entries"),
    [(bytes(64), 1), (bytes(64), 9), (b"\x04" * 64, 1), (struct.pack("<IIII", 12, 12, 0, 0), 2), (b"", 1)],
    ids=range(5),
)
def test_damaged_tables(data: bytes, entries: int) -> None:
    with pytest.raises(DamagedContent):
        restored(data, [Filter(Kind.UNWINDING, 0, len(data), entries)])


def test_a_changed_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(100)))
    changes = [(90, b"y" * 10), (5, b"x" * 20)]
    expected = bytes(range(5)) + b"x" * 20 + bytes(range(25, 90)) + b"y" * 10
    for step in (1, 7, 20, 100, 200):
        with open(path, "rb") as file:
            opened = ChangedFile(file, changes)
            assert b"".join(opened.read(step) for _ in range(101)) == expected
