"""Fixtures of the unit tests."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from plans import write_requirements
from sites import Site
from stores import Cache

from freezer.base.job import Job
from freezer.base.log import Log
from freezer.store import entries
from freezer.store.workspace import workspace


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where launchers of nobody else have anything: in a home, and in places of everybody."""
    place = tmp_path_factory.mktemp("alone")
    for name in ("home", "shared"):
        (place / name).mkdir()
    (place / "shared").chmod(0o1777)
    # Not the one that tests share and undo.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(place / "home"))
        for name in ("FREEZER_CACHE", "TMPDIR"):
            patch.delenv(name, raising=False)
        patch.setattr(entries, "SHARED", (str(place / "shared"),) * 3)
        yield place


@pytest.fixture
def cache(tmp_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """The user's cache; launchers have nothing anywhere else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Cache(tmp_path / "freezer")


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """A job with a work directory and a cache of its own, whose log nobody sees."""
    with workspace(tmp_path / "cache", "test", keep=False, log=Log(stream=io.StringIO())) as made:
        yield made


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An application with requirements; see ``plan_with_requirements``."""
    return write_requirements(tmp_path / "site")


@pytest.fixture
def finished(tmp_path: Path) -> Site:
    """A finished build, whose record is written."""
    made = Site(tmp_path)
    made.write()
    return made


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with an application, app.py."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "app.py").write_text("")
    return folder
