"""Where an executable comes from: metadata, revision, and the time of its newest input."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

import pytest
from plans import plan

from freezer.application.entry import Application
from freezer.application.metadata import Metadata
from freezer.application.origin import origin_of

ABOUT = Metadata("greeter")


def application(script: Path, *own: Path, metadata: Optional[Metadata] = None) -> Application:
    return Application("app", script, False, (), own, (), {}, None, metadata)


def made(path: Path, time: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time, time))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, time in (("app.py", 100), ("helper.py", 200), ("r.txt", 300), ("c.txt", 400), ("data/x", 500)):
        made(tmp_path / name, time)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "newest"),
    [
        ({}, 200),
        ({"requirement": ["r.txt"]}, 300),
        ({"requirement": ["r.txt"], "constraint": ["c.txt"]}, 400),
        ({"add_data": ["data:d"]}, 500),
        ({"library": ["c.txt"]}, 400),
    ],
)
def test_the_newest_input(folder: Path, arguments: dict[str, Any], newest: int) -> None:
    app = application(folder / "app.py", folder / "helper.py", metadata=ABOUT)
    origin = origin_of(plan(folder, entry="app.py", **arguments), app)
    assert (origin.newest, origin.revision, origin.metadata) == (newest, None, ABOUT)


def test_what_has_gone_has_no_time(folder: Path) -> None:
    app = application(folder / "app.py", folder / "gone.py")
    assert origin_of(plan(folder, entry="app.py"), app).newest == 100
    function = plan(folder, entry_point="os.path:join", **{"with": ["six"]})
    assert origin_of(function, application(folder / "made.py")).newest is None


def test_a_project_counts_with_all_its_files(folder: Path) -> None:
    made(folder / "pyproject.toml", 10)
    made(folder / "deep" / "later.txt", 900)
    made(folder / "build" / "product", 9999)
    origin = origin_of(plan(folder, entry="."), application(folder / "app.py"))
    assert origin.newest == 900
