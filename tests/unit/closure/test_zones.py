"""The archive of time zones; tests/unit/freeze/test_runtime.py reads it."""

from __future__ import annotations

import marshal
from pathlib import Path

from freezer.closure.zones import archive_of, copy_zones


def test_each_content_is_there_once(tmp_path: Path) -> None:
    for name, data in (("b/B", b"TZif2"), ("a", b"TZif1x"), ("b/A", b"TZif2"), ("zone.tab", b"no zone")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    data = archive_of(tmp_path)
    size = int.from_bytes(data[:8], "little")
    assert marshal.loads(data[8 : 8 + size]) == {"a": (0, 6), "b/A": (6, 5), "b/B": (6, 5)}
    assert data[8 + size :] == b"TZif1xTZif2"


def test_all_zones_are_small(tmp_path: Path) -> None:
    """They come with every application."""
    copy_zones(tmp_path, tmp_path / "zones")
    assert (tmp_path / "zones").stat().st_size < 250_000
