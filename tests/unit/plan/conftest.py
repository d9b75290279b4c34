"""Fixtures of the tests of plans."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text("")
    return tmp_path
