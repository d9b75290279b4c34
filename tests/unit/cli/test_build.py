"""``freezer build``: every setting is an option, and what is given reaches the plan."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from freezer import pipeline
from freezer.base.errors import ExitStatus, Interrupted
from freezer.cli.main import build_parser, main
from freezer.plan.settings import SETTINGS, ValueKind


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_setting_is_an_option(setting: Any) -> None:
    values = {ValueKind.FLAG: [], ValueKind.SWITCH: [], ValueKind.NUMBER: ["3"]}.get(setting.kind, ["x"])
    for flag in (f"--{setting.name}", *setting.flags):
        parsed = vars(build_parser().parse_args(["build", "app.py", flag, *values]))
        expected: Any = "x"
        if setting.kind in (ValueKind.FLAG, ValueKind.SWITCH):
            expected = True
        elif setting.kind is ValueKind.NUMBER:
            expected = 3
        elif setting.kind in (ValueKind.LIST, ValueKind.PATHS, ValueKind.PAIRS):
            expected = ["x"]
        assert parsed[setting.attribute] == expected


def test_nothing_given_is_none() -> None:
    parsed = vars(build_parser().parse_args(["build"]))
    assert all(parsed[setting.attribute] is None for setting in SETTINGS)


def test_repeatable_and_negative() -> None:
    parsed = build_parser().parse_args(["build", "--with", "a", "--with", "b", "--no-verify", "--no-locale"])
    assert vars(parsed)["with"] == ["a", "b"]
    assert (parsed.verify, parsed.locale, parsed.strip) == (False, False, None)


def plan_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    plans = []

    def catch(plan: Any, **_: Any) -> None:
        plans.append(plan)
        raise Interrupted("enough")

    monkeypatch.setattr(pipeline, "build", catch)
    assert main(["build", *arguments]) == ExitStatus.INTERRUPTED
    return plans[0]


def test_everything_after_two_dashes_is_pyinstallers(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(monkeypatch, "app.py", "--strip", "--", "--log-level", "WARN", "--", "-x")
    assert plan.pyinstaller_args == ("--log-level", "WARN", "--", "-x")
    assert plan.strip


@pytest.mark.parametrize(
    ("words", "smoke"),
    [
        (("--smoke", "--version"), ("--version",)),
        (("--smoke", "-x 'a b'"), ("-x", "a b")),
        (("--smoke=--help",), ("--help",)),
        (("--smoke", ""), ()),
    ],
)
def test_smoke_takes_words_with_dashes(
    here: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], smoke: tuple[str, ...]
) -> None:
    assert plan_of(monkeypatch, "app.py", *words).smoke.arguments == smoke


def test_help_names_every_option() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "freezer", "build", "--help"], capture_output=True, text=True, check=True
    )
    for setting in SETTINGS:
        assert re.search(rf"--{setting.name}\b", done.stdout)
