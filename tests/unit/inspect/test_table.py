"""Reports as text for a terminal."""

from __future__ import annotations

import re

from reports import hostile_report, report

from freezer.inspect.report import FILE, Item, Layer, OwnPart, Settings
from freezer.inspect.table import render_table
from freezer.link.parts import LIBRARY


def test_table() -> None:
    settings = Settings("65534:65534", ("/app/tool",), ("a b",))
    layers = (Layer("sha256:" + "a" * 64, "sha256:" + "b" * 64, 5_000_000, 6_000_000, 3),)
    items = (Item("libx.so", 3_000_000, "libx", LIBRARY), *(Item(f"m{at}", 1, f"g{at}", FILE) for at in range(40)))
    made = report(
        *items, kind="image", names=("tool:1",), image_id="sha256:" + "c" * 64, settings=settings, layers=layers
    )
    for width in (60, 100, 200):
        text = render_table(made, width)
        assert max(map(len, text.splitlines())) <= width
        assert text.endswith("\n") and not text.endswith("\n\n")
        assert "tool:1" in text and "65534:65534" in text and "'a b'" in text
        assert "The 25 largest of 41 groups" in text and "100.0 %" in text and "5.0 MB" in text
        assert "\x1b" not in text
    assert "\x1b[" in render_table(made, 100, color=True)
    assert render_table(report(), 80)


def test_what_came_along_unasked() -> None:
    own = (OwnPart("static/", 12, 40_000, "named at app.py:3"), OwnPart("wsgi", 0, 0, "named at app.py:\x1b[31m9"))
    text = render_table(report(own=own), 100)
    lines = [line.split() for line in text.splitlines()]
    assert ["static/", "40.0", "kB", "12", "named", "at", "app.py:3"] in lines
    assert "\x1b" not in text
    assert "and 60 more" in render_table(report(own=own * 50), 100)
    assert "unasked" not in render_table(report(), 100)


def test_table_of_hostile_names() -> None:
    text = render_table(hostile_report(), 400)
    assert set(re.findall(r"[^\x20-\x7e]", text)) <= set("\ufffd\u2588\u258c\n")
    assert "[bold red]markup[/]" in text
