"""List the archives of modules in an executable, without trusting them.

Their tables are marshalled (freezer/link/modules.py). Python's marshal module trusts its input, so it is not for
foreign data. A table has only a few of marshal's types, as version 2 of the format writes them; this module reads those
and refuses all others, and then refuses entries that do not fit into the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezer.base.errors import InputError
from freezer.base.tar import Readable
from freezer.link.modules import ARCHIVE_MAGIC

HEADER = len(ARCHIVE_MAGIC) + 8
"""Bytes before the table: the magic number, and the table's size."""
MAX_TABLE = 1 << 26
MAX_DEPTH = 8
CONSTANTS = {b"N": None, b"T": True, b"F": False}
END = object()
"""The object that ends a dictionary."""


@dataclass(frozen=True)
class Contents:
    """The contents of an archive: names with sizes in bytes; ``rest`` is the number of the other bytes."""

    modules: tuple[tuple[str, int], ...]
    scripts: tuple[tuple[str, int], ...]
    rest: int


def is_archive(path: Path) -> bool:
    """Return whether a file starts with the magic number of archives of modules."""
    with open(path, "rb") as file:
        return file.read(len(ARCHIVE_MAGIC)) == ARCHIVE_MAGIC


def read_archive(path: Path) -> Contents:
    """Return the contents of an archive. Raises InputError if it is damaged."""
    with open(path, "rb") as file:
        file.seek(len(ARCHIVE_MAGIC))
        return read_contents(file, path.stat().st_size, path.name)


def read_contents(stream: Readable, size: int, name: str) -> Contents:
    """Return the contents of an archive of ``size`` bytes; ``stream`` begins after the magic number.

    Raises InputError if the archive is damaged.
    """
    try:
        length = int.from_bytes(stream.read(HEADER - len(ARCHIVE_MAGIC)), "little")
        if length > min(MAX_TABLE, size - HEADER):
            raise ValueError("its table is larger than the archive")
        table = parse_table(stream.read(length))
        room = size - HEADER - length
        modules = tuple((module, _fitting(room, *place[:2])) for module, place in table["modules"].items())
        scripts = tuple((script, _fitting(room, *place)) for script, *place in table["scripts"])
    except (ValueError, TypeError, LookupError, AttributeError, struct.error) as error:
        raise InputError(f"the archive {name} is damaged", why=str(error)) from error
    rest = size - sum(each for _, each in (*modules, *scripts))
    if rest < HEADER + length or not all(isinstance(each, str) for each, _ in (*modules, *scripts)):
        raise InputError(f"the archive {name} is damaged", why="its entries are larger than the archive")
    return Contents(modules, scripts, rest)


def _fitting(room: int, offset: int, size: int) -> int:
    if min(offset, size) < 0 or offset + size > room:
        raise ValueError("its entries are larger than the archive")
    return size


def parse_table(data: bytes) -> Any:
    """Parse an object marshalled in version 2: strings, numbers, and lists, tuples and dictionaries of these.

    Raises ValueError, struct.error or TypeError for anything else.
    """
    parser = _Parser(data)
    table = parser.item(0)
    if table is END or not parser.at_end():
        raise ValueError("its table is not exactly one object")
    return table


class _Parser:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def at_end(self) -> bool:
        return self._at == len(self._data)

    def item(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError("its table is nested too deeply")
        code = self._take(1)
        if code in CONSTANTS:
            return CONSTANTS[code]
        readers: dict[bytes, Callable[[], Any]] = {
            b"0": lambda: END,
            b"i": self._number,
            b"u": lambda: self._take(self._number()).decode("utf-8", "surrogatepass"),
            b"[": lambda: list(self._items(depth)),
            b"(": lambda: tuple(self._items(depth)),
            b"{": lambda: dict(self._pairs(depth)),
        }
        if code not in readers:
            raise ValueError(f"its table has an object of type {code!r}")
        return readers[code]()

    def _items(self, depth: int) -> Iterator[Any]:
        for _ in range(self._number()):
            yield self._value(depth)

    def _pairs(self, depth: int) -> Iterator[tuple[Any, Any]]:
        while (key := self.item(depth + 1)) is not END:
            yield key, self._value(depth)

    def _value(self, depth: int) -> Any:
        value = self.item(depth + 1)
        if value is END:
            raise ValueError("a list in its table ends too early")
        return value

    def _number(self) -> int:
        number: int = struct.unpack("<i", self._take(4))[0]
        return number

    def _take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._at:
            raise ValueError("its table ends too early")
        self._at += size
        return self._data[self._at - size : self._at]
