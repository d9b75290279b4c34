"""The result of an inspection: plain data, and its sums."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

from freezer.link.parts import APPLICATION, DATA, LIBRARY, PACKAGE, RUNTIME, STANDARD

FILE = "file"

KINDS = (APPLICATION, PACKAGE, STANDARD, LIBRARY, DATA, RUNTIME, FILE)
"""All kinds of items, in the order of legends: from what the user wrote to what comes along."""


@dataclass(frozen=True)
class Item:
    """One file, or one module in an archive. ``size`` is in bytes, as it takes them up in what holds it; ``path`` has
    "//" behind an executable in an image; ``kind`` is one of KINDS."""

    path: str
    size: int
    group: str
    kind: str


@dataclass(frozen=True)
class Group:
    """The items of one kind and group: their bytes and their number. ``group`` is "" for the sum of a whole kind."""

    kind: str
    group: str
    size: int
    files: int


@dataclass(frozen=True)
class Layer:
    """A layer of an image. ``size`` is that of its blob, ``unpacked`` that of the content of its ``files`` files, as
    they are in the layer; both in bytes."""

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
    """What was found in a file. ``kind`` is "image" or "executable"; ``size`` is the file's own, in bytes."""

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

    @property
    def unpacked(self) -> int:
        """The bytes of all items: an executable counts as what it unpacks into, and itself without that."""
        return sum(item.size for item in self.items)

    def kinds(self) -> tuple[Group, ...]:
        """The sums by kind, biggest first."""
        return _sums((item.kind, "", item.size) for item in self.items)

    def groups(self) -> tuple[Group, ...]:
        """The sums by kind and group, biggest first."""
        return _sums((item.kind, item.group, item.size) for item in self.items)

    def largest(self, number: int) -> tuple[Item, ...]:
        """The ``number`` biggest items, biggest first."""
        return tuple(sorted(self.items, key=lambda item: (-item.size, item.path))[:number])

    def as_json(self) -> dict[str, Any]:
        """All of it for ``json.dumps``, with the sums; names are exact, bytes that are not UTF-8 as surrogates."""
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
    """A name for people: what could steer a terminal, reorder text, or cannot be encoded becomes U+FFFD."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
