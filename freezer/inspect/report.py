"""The result of an inspection: plain data, and sums of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

from freezer.link.parts import APPLICATION, DATA, LIBRARY, PACKAGE, RUNTIME, STANDARD

FILE = "file"

KINDS = (APPLICATION, PACKAGE, STANDARD, LIBRARY, DATA, RUNTIME, FILE)
"""All kinds of items, in the order of legends: the user's own files first."""


@dataclass(frozen=True)
class Item:
    """One file, or one module in an archive. ``size`` is in bytes, as stored in its archive or unpacked; ``path`` has
    "//" after the name of an executable in an image; ``kind`` is one of KINDS."""

    path: str
    size: int
    group: str
    kind: str


@dataclass(frozen=True)
class OwnPart:
    """What came along of the application's own without being asked for, and why: files with one directory at the top,
    or a single one, or a module, of which ``files`` is 0. ``size`` is in bytes."""

    path: str
    files: int
    size: int
    why: str


@dataclass(frozen=True)
class Group:
    """The sum of the items of one kind and group: bytes and number. ``group`` is "" for the sum of a whole kind."""

    kind: str
    group: str
    size: int
    files: int


@dataclass(frozen=True)
class Layer:
    """A layer of an image. ``size`` is the size of its blob, ``unpacked`` that of the content of its ``files`` files;
    both in bytes."""

    digest: str
    diff_id: str
    size: int
    unpacked: int
    files: int


@dataclass(frozen=True)
class Settings:
    """How an image is run (config.md of the OCI image specification)."""

    user: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    working_directory: str = ""
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """The contents of a file. ``kind`` is "image" or "executable"; ``size`` is that of the file itself, in bytes."""

    path: str
    kind: str
    size: int
    architecture: str
    items: tuple[Item, ...]
    image_id: str = ""
    manifest_digest: str = ""
    names: tuple[str, ...] = ()
    settings: Optional[Settings] = None
    layers: tuple[Layer, ...] = ()
    own: tuple[OwnPart, ...] = ()

    @property
    def unpacked(self) -> int:
        """Return the bytes of all items: for an executable, the files that it unpacks and the program that does so."""
        return sum(item.size for item in self.items)

    def kinds(self) -> tuple[Group, ...]:
        """Return the sums by kind, largest first."""
        return _sums((item.kind, "", item.size) for item in self.items)

    def groups(self) -> tuple[Group, ...]:
        """Return the sums by kind and group, largest first."""
        return _sums((item.kind, item.group, item.size) for item in self.items)

    def largest(self, number: int) -> tuple[Item, ...]:
        """Return the ``number`` largest items, largest first."""
        return tuple(sorted(self.items, key=lambda item: (-item.size, item.path))[:number])

    def as_json(self) -> dict[str, Any]:
        """Return the report and its sums for ``json.dumps``. Names are exact; bytes other than UTF-8 are surrogates."""
        fields = dataclasses.asdict(self)
        fields["unpacked"] = self.unpacked
        fields["groups"] = [dataclasses.asdict(group) for group in self.groups()]
        if self.settings is not None:
            fields["settings"]["labels"] = dict(self.settings.labels)
        return fields


def _sums(parts: Iterable[tuple[str, str, int]]) -> tuple[Group, ...]:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for kind, group, size in parts:
        total, files = sums.get((kind, group), (0, 0))
        sums[kind, group] = total + size, files + 1
    found = [Group(kind, group, size, files) for (kind, group), (size, files) in sums.items()]
    return tuple(sorted(found, key=lambda item: (-item.size, item.kind, item.group)))


def printable(text: str) -> str:
    """Make a name safe to show: characters that control terminals, reorder text or cannot be encoded become U+FFFD."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
