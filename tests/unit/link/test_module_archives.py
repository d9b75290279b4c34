"""Archives of modules are listed without trusting them."""

from __future__ import annotations

import marshal
import sys
from pathlib import Path
from typing import Any

import pytest
from reports import modules_archive

from freezer.base.errors import InputError
from freezer.link.module_archives import is_archive, parse_table, read_archive

TABLES: list[Any] = [
    {},
    {"a": [(1, -1, "\u00e9\udcff"), (), [], {"b": {}}], "c": None, "d": True, "e": False},
    ["same", "same", sys.intern("same"), 2**31 - 1, -(2**31)],
]


@pytest.mark.parametrize("table", TABLES)
def test_tables(table: Any) -> None:
    packed = marshal.dumps(table, 2)
    assert parse_table(packed) == table
    for end in range(len(packed)):
        with pytest.raises(ValueError, match="table"):
            parse_table(packed[:end])
    with pytest.raises(ValueError, match="table"):
        parse_table(packed + b"N")


@pytest.mark.parametrize(
    "data",
    [
        *(marshal.dumps(item, 2) for item in (1.5, 2**31, b"bytes", {1}, compile("1", "x", "eval"), ..., 1j)),
        *(marshal.dumps(item, 4) for item in ("text", (1,), [()])),
        marshal.dumps([[[[[[[[[1]]]]]]]]], 2),
        b"[" + (1 << 30).to_bytes(4, "little") + b"N",
        b"[\xff\xff\xff\xffN",
        b"(\1\0\0\x000",
        b"u\xff\xff\xff\x7fabc",
        b"u\xff\xff\xff\xff",
        b"u\1\0\0\0\xff",
        b"{N",
        b"{N0",
        b"{[\0\0\0\0N0",
        b"0",
    ],
)
def test_tables_of_anything_else(data: bytes, tmp_path: Path) -> None:
    with pytest.raises((ValueError, TypeError)):
        parse_table(data)
    (tmp_path / "modules").write_bytes(modules_archive({}, {}, table=data))
    with pytest.raises(InputError, match="modules is damaged"):
        read_archive(tmp_path / "modules")


GOOD_TABLE = {"modules": {"a": (0, 5, 0)}, "scripts": [("s", 5, 5)]}


@pytest.mark.parametrize(
    "change",
    [
        {"modules": {"a": (0, 11, 0)}},
        {"modules": {"a": (-1, 5, 0)}},
        {"modules": {"a": (0, -5, 0)}},
        {"modules": {"a": (6, 5, 0)}},
        {"modules": {"a": (0, 10, 0), "b": (0, 10, 0)}},
        {"modules": {"a": (0,)}},
        {"modules": {"a": "xy"}},
        {"modules": {1: (0, 5, 0)}},
        {"modules": ["a"]},
        {"modules": None},
        {"scripts": [("s", 5, 6)]},
        {"scripts": [("s", 5)]},
        {"scripts": [(None, 5, 5)]},
        {"scripts": 3},
    ],
)
def test_tables_that_do_not_fit(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "modules"
    path.write_bytes(modules_archive({}, {}, table=marshal.dumps(GOOD_TABLE, 2), code=bytes(10)))
    assert is_archive(path)
    whole = read_archive(path)
    assert (whole.modules, whole.scripts, whole.rest) == ((("a", 5),), (("s", 5),), path.stat().st_size - 10)
    path.write_bytes(modules_archive({}, {}, table=marshal.dumps({**GOOD_TABLE, **change}, 2), code=bytes(10)))
    with pytest.raises(InputError, match="modules is damaged"):
        read_archive(path)


def test_an_archive_that_is_cut_off(tmp_path: Path) -> None:
    whole = modules_archive({"a": 5}, {"s": 5})
    for end in range(len(whole)):
        (tmp_path / "modules").write_bytes(whole[:end])
        with pytest.raises(InputError, match="modules is damaged"):
            read_archive(tmp_path / "modules")
