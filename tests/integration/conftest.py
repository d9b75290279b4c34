"""Fixtures of the tests that run whole builds: the systems to build in."""

from __future__ import annotations

from pathlib import Path

import pytest
import roots

HELLO = "import ssl, sys\nprint('hello', *sys.version_info[:2], *sys.argv[1:])\n"


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


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a small application."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "hello.py").write_text(HELLO)
    return folder
