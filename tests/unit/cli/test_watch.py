"""``--watch``: a build for each change, a line for each build, and no end by an error."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from freezer import pipeline, results
from freezer.base.errors import ExitStatus, InputError
from freezer.cli import watch
from freezer.cli.main import main
from freezer.results import Built


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "freezer"


class Watched:
    """What happens while it watches: the sources as they were at each build, and what is done between two looks."""

    def __init__(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here = here
        self.built: list[str] = []
        self.unchanged = False
        self.steps: list[Callable[[], object]] = []
        monkeypatch.setattr(pipeline, "build", self.build)
        monkeypatch.setattr(watch, "time", SimpleNamespace(**self.times()))

    def times(self) -> dict[str, Any]:
        import time

        return {"monotonic": time.monotonic, "strftime": lambda _format: "12:00:00", "sleep": self.sleep}

    def sleep(self, seconds: float) -> None:
        assert watch.PAUSE <= seconds < 60
        if not self.steps:
            raise KeyboardInterrupt("interrupted by SIGINT")
        self.steps.pop(0)()

    def build(self, plan: Any, **_options: Any) -> Built:
        text = (self.here / "app.py").read_text()
        self.built.append(text)
        if "broken" in text:
            raise InputError("it is broken", why="as it says")
        values = {field.name: None for field in dataclasses.fields(Built)}
        sized = {"path": self.here / "app", "size": 7_900_000, "unchanged": self.unchanged, "untried": ()}
        return Built(**{**values, **sized, "added": (), "provided": ()})  # type: ignore[arg-type]

    def write(self, name: str, text: str) -> Callable[[], object]:
        def step() -> None:
            path = self.here / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            # The clock of a file system may be coarse.
            os.utime(path, ns=(0, path.stat().st_mtime_ns + len(self.built) * 10**9))

        return step


@pytest.fixture
def watched(here: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    found = Watched(here, monkeypatch)
    found.write("app.py", "first")()
    return found


def test_each_change_is_built_once(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.steps += [
        lambda: None,
        watched.write("app.py", "second"),
        lambda: None,
        watched.write("app.py", "broken"),
        watched.write("other.py", "a new module"),
        watched.write("app.py", "mended"),
        watched.write("templates/page.html", "data"),
    ]
    assert main(["build", "app.py", "--watch"]) == ExitStatus.INTERRUPTED
    assert watched.built == ["first", "second", "broken", "broken", "mended", "mended"]
    printed = capsys.readouterr()
    assert printed.out == ""
    line = f"12:00:00 {watched.here}/app: 7.9 MB in 0.0 s, not verified"
    broken = ["freezer: error: it is broken", "  why: as it says", "12:00:00 failed; waiting for a change"]
    assert printed.err.splitlines() == [
        *[line, line, *broken, *broken, line, line],
        "freezer: error: interrupted by SIGINT",
    ]


def test_what_changes_nothing_is_not_told_again(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.unchanged = True
    watched.steps += [
        watched.write("notes.txt", "written by somebody"),
        watched.write("notes.txt", "again, by somebody"),
    ]
    assert main(["build", "app.py", "--watch"]) == ExitStatus.INTERRUPTED
    assert len(watched.built) == 3
    assert capsys.readouterr().err.count("is up to date") == 1


def test_settings_are_read_each_time(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.steps += [
        watched.write("pyproject.toml", "[tool.freezer]\nlinker = 'wrong'\n"),
        lambda: None,
        watched.write("pyproject.toml", "[tool.freezer]\nlinker = 'native'\n"),
    ]
    assert main(["build", "app.py", "--watch"]) == ExitStatus.INTERRUPTED
    assert watched.built == ["first", "first"]
    assert capsys.readouterr().err.count("'wrong' is unknown") == 1


def test_sources_elsewhere(watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a build has found: of the ones before it, only a change counts."""
    elsewhere, more = tmp_path / "elsewhere.py", tmp_path / "more.py"
    elsewhere.write_text("1")
    more.write_text("1")
    found = [str(elsewhere)]
    monkeypatch.setattr(results, "sources_of", lambda _plan, _cache: tuple(found))
    watched.steps += [
        lambda: found.append(str(more)),
        lambda: elsewhere.write_text("changed"),
        more.unlink,
        found.clear,
    ]
    assert main(["build", "app.py", "--watch"]) == ExitStatus.INTERRUPTED
    assert len(watched.built) == 3


def test_what_is_printed_to_is_no_source(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with ``freezer build app.py --watch > notes.txt``, for code that asks for the files beside it."""
    notes = watched.here / "notes.txt"
    with open(notes, "w") as out:
        monkeypatch.setattr(watch, "PRINTED_TO", (out.fileno(),))
        monkeypatch.setattr(results, "sources_of", lambda _plan, _cache: (str(notes),))
        watched.steps += [lambda: notes.write_text("a line"), watched.write("app.py", "broken"), notes.touch]
        assert main(["build", "app.py", "--watch"]) == ExitStatus.INTERRUPTED
    assert watched.built == ["first", "broken"]
    monkeypatch.setattr(watch, "PRINTED_TO", ())
    watched.steps += [lambda: notes.write_text("another line")]
    assert main(["build", "app.py", "--watch"]) == ExitStatus.INTERRUPTED
    assert len(watched.built) == 4


@pytest.mark.parametrize("option", ["--image", "--sbom", "--provenance"])
def test_no_stream(watched: Watched, capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert main(["build", "app.py", "--watch", option, "-"]) == ExitStatus.USAGE
    assert watched.built == []
    assert "writes none to a stream" in capsys.readouterr().err
