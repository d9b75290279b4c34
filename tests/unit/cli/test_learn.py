"""``freezer learn``: its words, its results, its statuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from freezer.base.errors import ExitStatus, ToolError, VerificationError
from freezer.cli.main import main
from freezer.learn import learning
from freezer.learn.learning import Lesson
from freezer.plan.learned import FILE_NAME, Learned


class Learning:
    """In place of ``learn``."""

    def __init__(self, here: Path) -> None:
        new = Learned(here / FILE_NAME, here, modules={"late": "app.py:2"})
        empty = Learned(here / FILE_NAME, here)
        self.given: dict[str, Any] = {}
        self.error: Any = None
        self.lesson: dict[str, Any] = {
            "learned": new, "new": new, "brought": empty, "processes": 2, "status": 0, "left_out": {".env": "a secret"},
            "programs": {"git": "app.py:3"}, "variables": {}, "unseen": {},
        }  # fmt: skip

    def __call__(self, plan: Any, command: tuple[str, ...], **options: Any) -> Lesson:
        self.given = {"plan": plan, "command": command, **options}
        return Lesson(**self.lesson, error=self.error)


@pytest.fixture
def learn(here: Path, monkeypatch: pytest.MonkeyPatch) -> Learning:
    made = Learning(here)
    monkeypatch.setattr(learning, "learn", made)
    return made


def test_the_command_is_behind_the_dashes(learn: Learning, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / FILE_NAME).touch()
    words = ["learn", "app.py", "--with", "six", "--tool", "pytest", "--", "python", "-m", "pytest", "--", "-x"]
    assert main(words) == ExitStatus.DONE
    assert learn.given["command"] == ("python", "-m", "pytest", "--", "-x")
    assert (learn.given["tools"], learn.given["check"]) == (("pytest",), False)
    assert learn.given["plan"].packages == ("six",) and learn.given["plan"].pyinstaller_args == ()
    assert capsys.readouterr().out == f"{here}/freezer.learned.toml\n"


def test_json(learn: Learning, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "app.py", "--json", "--", "true"]) == ExitStatus.DONE
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == f"{here}/freezer.learned.toml"
    assert told["new"] == [{"table": "modules", "name": "late", "asked": "app.py:2"}]
    assert (told["processes"], told["programs"], told["left_out"]) == (2, {"git": "app.py:3"}, {".env": "a secret"})


def test_no_path_of_a_file_that_is_not_there(learn: Learning, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "app.py", "--", "true"]) == ExitStatus.DONE
    assert capsys.readouterr().out == ""


def test_a_check_prints_no_path(learn: Learning, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "app.py", "--check-learned", "--", "true"]) == ExitStatus.DONE
    assert learn.given["check"] is True
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [VerificationError, ToolError])
def test_failures_have_their_status(learn: Learning, error: Any, capsys: pytest.CaptureFixture[str]) -> None:
    learn.error = error("it is not so", why="because", hint="do this")
    assert main(["learn", "app.py", "--", "true"]) == error.status
    assert "freezer: error: it is not so" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--"]])
def test_without_a_command(learn: Learning, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learn", "app.py", *words]) == ExitStatus.USAGE
    assert "there is no command to learn from" in capsys.readouterr().err
    assert learn.given == {}
