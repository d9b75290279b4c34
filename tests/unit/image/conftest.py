"""Fixtures of the tests of images."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import compile_c


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c("int main(void) { return 7; }", tmp_path_factory.mktemp("program") / "app", "-static")
