"""From settings to the plan of an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.errors import UsageError
from freezer.plan.resolve import resolve_for_image


def test_no_output(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        resolve_for_image({}, folder=tmp_path, environ={})
