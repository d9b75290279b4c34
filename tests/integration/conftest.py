"""Fixtures of the tests that run whole builds: the systems to build in."""

from __future__ import annotations

from pathlib import Path

import pytest
import roots


@pytest.fixture(scope="session")
def roots_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where roots of other systems are kept."""
    return roots.shared_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def bullseye(roots_folder: Path) -> Path:
    """The root directory of a system with an older C library, to be left as it is."""
    return roots.debian("bullseye", roots_folder)


@pytest.fixture(scope="session")
def trixie(roots_folder: Path) -> Path:
    """The root directory of a system with a newer C library, to be left as it is."""
    return roots.debian("trixie", roots_folder)
