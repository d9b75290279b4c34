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
