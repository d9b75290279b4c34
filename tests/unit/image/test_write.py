"""Writing image files: whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from imagefiles import make

from freezer.base.errors import OutputError


def test_a_place_that_cannot_be_written(program: Path, tmp_path: Path) -> None:
    (tmp_path / "image.tar").mkdir()
    with pytest.raises(OutputError):
        make(program, tmp_path)
