"""What comes of a build: remembered, and recalled only while it is still true."""

from __future__ import annotations

from typing import Any

import pytest
from sites import Site

from freezer.prove.verify import Proof


def test_nothing_changed(finished: Site) -> None:
    kept = finished.kept()
    assert kept is not None
    assert kept.path == finished.folder / "out"
    assert kept.proof == Proof("root", "ran", 0.1, 3, ("a note",))
    assert finished.kept(jobs=3) is not None


def test_an_output_that_became_a_link_is_not_up_to_date(finished: Site) -> None:
    (finished.folder / "out").rename(finished.folder.parent / "moved")
    (finished.folder / "out").symlink_to(finished.folder.parent / "moved")
    assert finished.kept() is None


@pytest.mark.parametrize("change", [{"strip": True}, {"output": "other"}, {"verify": False}, {"smoke": "x"}])
def test_another_plan_is_another_build(finished: Site, change: dict[str, Any]) -> None:
    assert finished.kept(**change) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"output": 3}', "null"])
def test_a_damaged_record_is_none(finished: Site, text: str) -> None:
    (path,) = (finished.cache / "record").iterdir()
    path.write_text(text)
    assert finished.kept() is None


def test_an_unwritable_record_is_no_failure(finished: Site) -> None:
    for path in (finished.cache / "record").iterdir():
        path.unlink()
    (finished.cache / "record").rmdir()
    (finished.cache / "record").write_text("no directory")
    finished.write()
    assert finished.kept() is None
