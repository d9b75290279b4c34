"""Where an executable comes from: metadata, revision, and the time of its newest input."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path
from typing import Any, Optional

import pytest
from plans import plan
from running import Runner

from freezer.application.entry import Application
from freezer.application.metadata import Metadata
from freezer.application.origin import Origin, origin_of, with_files
from freezer.base.job import Job
from freezer.plan.resolve import resolve_for_image

ABOUT = Metadata("greeter")


def application(script: Path, *own: Path, metadata: Optional[Metadata] = None) -> Application:
    return Application("app", script, False, (), own, (), {}, None, metadata)


@pytest.fixture
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Runner(tmp_path_factory.mktemp("job")).job


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
def test_the_newest_input(folder: Path, job: Job, arguments: dict[str, Any], newest: int) -> None:
    app = application(folder / "app.py", folder / "helper.py", metadata=ABOUT)
    origin = origin_of(plan(folder, entry="app.py", **arguments), app, job)
    assert (origin.newest, origin.revision, origin.metadata) == (newest, None, ABOUT)


def test_what_has_gone_has_no_time(folder: Path, job: Job) -> None:
    app = application(folder / "app.py", folder / "gone.py")
    assert origin_of(plan(folder, entry="app.py"), app, job).newest == 100
    function = plan(folder, entry_point="os.path:join", **{"with": ["six"]})
    assert origin_of(function, application(folder / "made.py"), job).newest is None


def test_a_project_counts_with_all_its_files(folder: Path, job: Job) -> None:
    made(folder / "pyproject.toml", 10)
    made(folder / "deep" / "later.txt", 900)
    made(folder / "build" / "lib" / "product", 9999)
    origin = origin_of(plan(folder, entry="."), application(folder / "app.py"), job)
    assert origin.newest == 900


def git(place: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false"]
    date = {"GIT_AUTHOR_DATE": "@1000 +0000", "GIT_COMMITTER_DATE": "@1234 +0000"}
    subprocess.run(["git", *who, "-C", place, *words], check=True, capture_output=True, env={**os.environ, **date})


def newest(place: Path, job: Job) -> Optional[int]:
    return origin_of(plan(place, entry="app.py"), application(place / "app.py"), job).newest


def test_two_clones_are_of_one_time(folder: Path, job: Job, tmp_path: Path) -> None:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    git(folder, "clone", "-q", ".", str(tmp_path / "clone"))
    assert newest(folder, job) == newest(tmp_path / "clone", job) == 1234
    # A data file of somewhere else still counts by its own time, as does a source that is not as committed.
    other = made(tmp_path.parent / "elsewhere.txt", 5000)
    with_data = plan(folder, entry="app.py", add_data=[f"{other}:."])
    assert origin_of(with_data, application(folder / "app.py"), job).newest == 5000
    (folder / "app.py").write_text("changed")
    made(folder / "app.py", 777)
    assert newest(folder, job) == 777


def test_files_added_to_an_image_count(folder: Path, job: Job, tmp_path: Path) -> None:
    """By the commit, too: otherwise two clones would give two images."""
    files = {"add_file": ["data:/data"], "output": "image.tar"}
    before = Origin(None, None, 50)
    wanted = resolve_for_image(files, folder=folder, environ={})
    assert with_files(before, wanted, job).newest == 500
    assert with_files(dataclasses.replace(before, newest=600), wanted, job).newest == 600
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    git(folder, "clone", "-q", ".", str(tmp_path / "clone"))
    assert with_files(before, resolve_for_image(files, folder=tmp_path / "clone", environ={}), job).newest == 1234
    assert with_files(before, resolve_for_image({"output": "x"}, folder=folder, environ={}), job) is before


def test_a_project_that_is_a_repository(folder: Path, job: Job) -> None:
    made(folder / "pyproject.toml", 9999)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    assert origin_of(plan(folder, entry="."), application(folder / "app.py"), job).newest == 1234


def test_a_damaged_repository_is_none(folder: Path, job: Job) -> None:
    (folder / ".git").mkdir()
    assert newest(folder, job) == 100
