"""An analysis that runs the application's own code is noticed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
own_runs: Any = importlib.import_module("own_runs")
start: Any = importlib.import_module("start_with_toolchain")
del sys.path[0]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(own_runs.VARIABLE, "")
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "settings.py").write_text("NAMES = ['a']\n")
    (sources / "other.py").write_text("")
    (tmp_path / "tools").mkdir()
    own_runs.watch([str(sources / "settings.py")], str(tmp_path))
    return sources


def run(watched: Path, text: str) -> None:
    program = DRIVERS / "start_with_toolchain.py"
    words = [sys.executable, "-s", str(program), str(watched.parent / "tools"), "-c", text]
    subprocess.run(words, check=True, cwd=watched, env={**os.environ, "PYTHONPATH": str(watched)})


def test_the_variable_is_one() -> None:
    assert start.WATCHED == own_runs.VARIABLE


@pytest.mark.parametrize(
    ("text", "noticed"),
    [
        ("import settings", True),
        ("import runpy; runpy.run_path('%s/settings.py')", True),
        ("import other, json", False),
        ("import os; os.stat('%s/settings.py')", False),
    ],
)
def test_what_is_noticed(watched: Path, text: str, noticed: bool) -> None:
    run(watched, text.replace("%s", str(watched)))
    assert own_runs.have_run() == noticed


def test_compiled_code_is_noticed_too(watched: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(watched)], check=True)
    run(watched, "import settings")
    assert own_runs.have_run()


def test_the_application_does_not_see_the_watch(watched: Path) -> None:
    (watched / "own_runs.py").write_text("MINE = True\n")
    run(watched, "import importlib; assert importlib.import_module('own_runs').MINE")


def test_other_processes_notice_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(own_runs.VARIABLE, raising=False)
    own_runs.notice()
    assert not own_runs.have_run()
