"""Bills of materials, as values."""

from __future__ import annotations

from freezer.base.bill import Bill, Component


def test_files_are_added_in_order_and_once() -> None:
    part = Component("library", "a", files=("x",)).with_files(("b", "x", "a"))
    assert part.files == ("a", "b", "x")
    assert part.key == ("library", "a", "")


def test_further_components() -> None:
    bill = Bill(Component("application", "app"), (Component("library", "a"),), 0, notices=True)
    more = bill.plus(Component("library", "b"))
    assert [item.name for item in more.components] == ["a", "b"]
    assert (more.subject, more.program, more.notices) == (bill.subject, 0, True)
