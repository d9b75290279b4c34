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
from freezer.plan.choices import Verification
from freezer.plan.settings import SETTINGS, ValueKind


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_setting_is_an_option(setting: Any) -> None:
    values = {ValueKind.FLAG: [], ValueKind.SWITCH: [], ValueKind.NUMBER: ["3"], ValueKind.VERIFICATION: ["auto"]}.get(
        setting.kind, ["x"]
    )
    for flag in (f"--{setting.name}", *setting.flags):
        parsed = vars(build_parser("build").parse_args(["build", "app.py", flag, *values]))
        expected: Any = "x"
        if setting.kind in (ValueKind.FLAG, ValueKind.SWITCH):
            expected = True
        elif setting.kind is ValueKind.NUMBER:
            expected = 3
        elif setting.kind is ValueKind.VERIFICATION:
            expected = "auto"
        elif setting.kind in (ValueKind.LIST, ValueKind.PATHS, ValueKind.PAIRS, ValueKind.TEXTS):
            expected = ["x"]
        elif setting.kind is ValueKind.RUNS:
            expected = [{"args": "x"}]
        assert parsed[setting.attribute] == expected


def test_nothing_given_is_none() -> None:
    parsed = vars(build_parser().parse_args(["build"]))
    assert all(parsed[setting.attribute] is None for setting in SETTINGS)


def test_repeatable_and_negative() -> None:
    parsed = build_parser().parse_args(["build", "--with", "a", "--with", "b", "--no-verify", "--no-locale"])
    assert vars(parsed)["with"] == ["a", "b"]
    assert (parsed.verify, parsed.locale, parsed.strip) == ("no", False, None)


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


def test_options_of_python_have_dashes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--python-option", "-u", "--python-option", "-X utf8", "--python-option=-OO")
    assert plan_of(monkeypatch, "app.py", *words).python_options == ("u", "X utf8", "O", "O")
    assert main(["build", "app.py", "--python-option", "-c pass"]) == ExitStatus.INPUT


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
    assert [run.arguments for run in plan_of(monkeypatch, "app.py", *words).smokes] == [smoke]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("app.py",), Verification.AUTO),
        (("--verify", "app.py"), Verification.REQUIRE),
        (("app.py", "--verify"), Verification.REQUIRE),
        (("--verify", "--strip", "app.py"), Verification.REQUIRE),
        (("--verify", "auto", "app.py"), Verification.AUTO),
        (("--verify=no", "app.py"), Verification.NO),
        (("--no-verify", "app.py"), Verification.NO),
        (("--no-verify", "--verify", "app.py"), Verification.REQUIRE),
        (("app.py", "--smoke", "--verify"), Verification.REQUIRE),
        (("app.py", "--smoke", "x", "--verify=auto"), Verification.AUTO),
    ],
)
def test_verify_has_a_value_that_may_be_left_out(
    here: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], wanted: Verification
) -> None:
    plan = plan_of(monkeypatch, *words)
    assert (plan.verify, plan.entry.path.name) == (wanted, "app.py")


def test_an_unknown_verification_is_wrong_usage(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["build", "app.py", "--verify=perhaps"])
    assert caught.value.code == ExitStatus.USAGE
    assert "perhaps" in capsys.readouterr().err


def test_help_names_every_option() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "freezer", "build", "--help"], capture_output=True, text=True, check=True
    )
    for setting in SETTINGS:
        assert re.search(rf"--{setting.name}\b", done.stdout)
