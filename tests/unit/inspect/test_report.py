"""Reports: sums by group and kind, and values for machines."""

from __future__ import annotations

import json

from reports import HOSTILE, hostile_report, report

from freezer.inspect.report import FILE, Group, Item, printable
from freezer.link.parts import LIBRARY


def test_sums() -> None:
    made = report(Item("a", 1, "x", FILE), Item("b", 5, "y", FILE), Item("c", 2, "x", LIBRARY), Item("d", 4, "x", FILE))
    assert made.unpacked == 12
    assert made.kinds() == (Group(FILE, "", 10, 3), Group(LIBRARY, "", 2, 1))
    assert made.groups() == (Group(FILE, "x", 5, 2), Group(FILE, "y", 5, 1), Group(LIBRARY, "x", 2, 1))
    assert [item.path for item in made.largest(2)] == ["b", "d"]
    assert report().kinds() == report().groups() == ()


def test_json() -> None:
    made = hostile_report()
    fields = json.loads(json.dumps(made.as_json()))
    assert [item["path"] for item in fields["items"]] == [item.path for item in made.items]
    assert sum(group["size"] for group in fields["groups"]) == fields["unpacked"] == made.unpacked
    assert fields["settings"]["labels"] == {HOSTILE[0]: HOSTILE[3]}


def test_printable() -> None:
    assert printable("a \u00e9\u4e2d") == "a \u00e9\u4e2d"
    assert printable("\x1b[m\u202e\udcff\n\x9b") == "\ufffd[m\ufffd\ufffd\ufffd\ufffd"
