"""``freezer plan``: for people, and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from freezer import pipeline
from freezer.application.own import OwnFile, OwnFound
from freezer.base.errors import ExitStatus
from freezer.cli.main import main
from freezer.plan.build import Plan
from freezer.plan.choices import Own


@pytest.fixture
def asked(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    plans: list[Plan] = []
    own = OwnFound(
        top=here,
        files=(OwnFile(here / "x.json", ".", 14, "named at app.py:1"),),
        modules=(("wsgi", "named at app.py:2"),),
        foreign=("logging.handlers",),
        left_out=((".env", "a secret"),),
    )

    def survey(plan: Plan, **_: Any) -> Any:
        plans.append(plan)
        return SimpleNamespace(name="app", script=here / "app.py", own_files=(here / "app.py",), own=own)

    monkeypatch.setattr(pipeline, "survey", survey)
    return plans


def test_for_people(asked: list[Plan], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "app.py", "--own", "code", "--exclude-data", "*.psd"]) == ExitStatus.DONE
    assert capsys.readouterr().out.splitlines() == [
        "1 file, 14 B; 1 module",
        "  x.json  14 B: named at app.py:1",
        "  wsgi: named at app.py:2",
        "named, of others:",
        "  logging.handlers",
        "left out:",
        "  .env: a secret",
    ]
    assert (asked[0].own, asked[0].exclude_data) == (Own.CODE, ("*.psd",))


def test_json(asked: list[Plan], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "app.py", "--json"]) == ExitStatus.DONE
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [{"path": "x.json", "files": 1, "size": 14, "why": "named at app.py:1"}]
    assert told["modules"] == [{"name": "wsgi", "why": "named at app.py:2"}]
    assert told["left_out"] == [{"path": ".env", "why": "a secret"}]
    assert told["places"] == [{"source": str(here / "x.json"), "folder": ".", "size": 14, "why": "named at app.py:1"}]


def test_how_much_is_one_of_three(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "app.py", "--own", "some"]) == ExitStatus.INPUT
    assert "it is one of: all, code, none" in capsys.readouterr().err
