"""A plan is a frozen value, and says which builds are the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from plans import plan


def test_the_plan_is_frozen(here: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan(here, entry="app.py").name = "other"  # type: ignore[misc]


def test_what_decides_the_result(here: Path) -> None:
    """Neither the number of jobs nor --refresh make it another build; everything else does."""
    base = plan(here, entry="app.py").digest_parts()
    assert plan(here, entry="app.py", jobs=7, refresh=True).digest_parts() == base
    for change in ({"strip": True}, {"name": "x"}, {"locale": False}, {"smoke": "x"}, {"with": ["six"]}):
        assert plan(here, entry="app.py", **change).digest_parts() != base


def test_targets(here: Path) -> None:
    assert plan(here, entry="app.py").target("thing") == here / "dist/thing"
    assert plan(here, entry="app.py", output="out/x").target("thing") == here / "out/x"


def test_added_paths(here: Path) -> None:
    for name in ("b", "a.so", "c.so"):
        (here / name).touch()
    made = plan(here, entry="app.py", add_data=["b:x", "b:y"], add_binary=["c.so:x"], library=["a.so", "c.so"])
    assert made.added_paths() == [here / "a.so", here / "b", here / "c.so"]


def test_images_are_made_anew_each_time(here: Path) -> None:
    base = plan(here, entry="app.py").digest_parts()
    assert plan(here, entry="app.py", image="image.tar", tag=["a:1"]).digest_parts() == base
    assert not plan(here, entry="app.py", image="image.tar").unpacked
    assert plan(here, entry="app.py", image="image.tar", image_layout="unpacked").unpacked
