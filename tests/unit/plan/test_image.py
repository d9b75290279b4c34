"""The plan of an image is a value."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from imagefiles import plan


def test_plans_are_values(tmp_path: Path) -> None:
    made = plan(tmp_path)
    assert made == plan(tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.uid = 0  # type: ignore[misc]
