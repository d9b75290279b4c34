"""The time zones in one file, for applications that show local time.

As a directory they are six hundred files, which a start would unpack, or compare, one by one; only an application that
imports ``zoneinfo`` needs that. The C library reads one zone, the one that TZ names, and
freezer/freeze/runtime/_freezer_zones.py takes it out.

Layout: the size of the table (8 bytes, little-endian); the table, marshalled: names to (offset, size); the zones, one
after the other, each content once.
"""

from __future__ import annotations

import importlib.resources
import marshal
import os
from pathlib import Path

from freezer.base.places import walk

MAGIC = b"TZif"
"""What a zone's file begins with (RFC 8536)."""


def copy_zones(_root: Path, target: Path) -> bool:
    """Write the time zones of the tzdata package into one file."""
    with importlib.resources.as_file(importlib.resources.files("tzdata") / "zoneinfo") as source:
        target.write_bytes(archive_of(source))
    return True


def archive_of(source: Path) -> bytes:
    """Return the archive of all zones in a directory."""
    table: dict[str, tuple[int, int]] = {}
    places: dict[bytes, int] = {}
    at = 0
    for name in sorted(_files(source)):
        data = (source / name).read_bytes()
        if not data.startswith(MAGIC):
            continue
        if data not in places:
            places[data] = at
            at += len(data)
        table[name] = (places[data], len(data))
    # Version 2 has no references, and every Python reads it.
    head = marshal.dumps(table, 2)
    return len(head).to_bytes(8, "little") + head + b"".join(places)


def _files(source: Path) -> list[str]:
    return [os.path.relpath(os.path.join(folder, name), source) for folder, _, names in walk(source) for name in names]
