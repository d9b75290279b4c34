"""The command line: pure, quick, and the same table as the settings files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer import __version__, pipeline
from freezer.base.errors import ExitStatus, Interrupted
from freezer.cli import main as cli
from freezer.cli.main import build_parser, main
from freezer.plan.settings import SETTINGS, ValueKind
from freezer.prove import existing
from freezer.prove.verify import Proof

SLOW = (
    "rich",
    "elftools",
    "platformdirs",
    "certifi",
    "tzdata",
    "packaging",
    "pip",
    "PyInstaller",
    "staticx",
    "tarfile",
)


def imported(*arguments: str) -> set[str]:
    """The modules that a run imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "freezer", *arguments], capture_output=True, text=True, check=False
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


@pytest.mark.parametrize(
    "arguments", [("--help",), ("build", "--help"), ("cache", "prune", "--help"), ("--version",), ("bild",)]
)
def test_help_needs_nothing_slow(arguments: tuple[str, ...]) -> None:
    modules = imported(*arguments)
    assert "freezer.cli.main" in modules
    assert not {name.split(".")[0] for name in modules} & set(SLOW)
    own = {name for name in modules if name.startswith("freezer.") and not name.startswith("freezer.cli")}
    assert own == {"freezer.base", "freezer.base.errors", "freezer.plan", "freezer.plan.settings"}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"freezer {__version__}\n"


def test_the_parser_does_not_look_at_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    first = build_parser().format_help()
    monkeypatch.setattr(os, "environ", {"COLUMNS": "100"})
    assert build_parser().format_help() == first


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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text("")
    return tmp_path


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


def proof(isolation: Optional[str]) -> Proof:
    return Proof(isolation, "ran", 0.1, 3, ("note",))


def test_check(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(existing, "check_executable", lambda *_a, **_k: proof("root"))
    assert main(["check", "app.py"]) == 0
    assert capsys.readouterr().out == f"{here}/app.py\n"
    assert main(["check", "app.py", "--json"]) == 0
    assert '"isolation": "root"' in capsys.readouterr().out
    monkeypatch.setattr(existing, "check_executable", lambda *_a, **_k: proof(None))
    assert main(["check", "app.py"]) == ExitStatus.VERIFICATION
    assert "not proven" in capsys.readouterr().err


def test_an_image_may_be_a_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(existing, "check_image", lambda *_a, **_k: proof("root"))
    (here / "layout").mkdir()
    assert main(["check", "layout"]) == ExitStatus.INPUT
    assert "is no file" in capsys.readouterr().err
    (here / "layout" / "oci-layout").write_text("{}")
    assert main(["check", "layout"]) == 0
    assert capsys.readouterr().out == f"{here}/layout\n"


@pytest.mark.parametrize(
    "words", [["cache"], ["cache", "purge"], ["cache", "prune", "--kind", "root"], ["cache", "list", "--all"]]
)
def test_wrong_words_for_the_cache(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == ExitStatus.USAGE
    assert "usage: freezer" in capsys.readouterr().err


def test_every_command_can_print_json_and_be_quiet() -> None:
    """The error boundary asks for it."""
    for words in (["build"], ["image", "x"], ["check", "x"], ["inspect", "x"], ["cache", "list"], ["cache", "prune"]):
        assert words[0] in cli.COMMANDS
        parsed = build_parser().parse_args([*words, "--json", "-q"])
        assert (parsed.json, parsed.quiet, parsed.verbose) == (True, True, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_become_an_exception_and_are_given_back(number: signal.Signals) -> None:
    before = {item: signal.getsignal(item) for item in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with pytest.raises(Interrupted, match=number.name), cli._signals_raise():
        os.kill(os.getpid(), number)
    assert {item: signal.getsignal(item) for item in before} == before


def test_ignored_signals_stay_ignored() -> None:
    """As under nohup."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with cli._signals_raise():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_a_reader_that_has_gone(here: Path) -> None:
    code = (
        "from freezer.cli import main as cli; "
        "cli.COMMANDS['build'] = lambda *_: print('x', flush=True); cli.main(['build'])"
    )
    done = subprocess.run(
        ["sh", "-c", f'{sys.executable} -c "{code}" | true'], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr


def test_help_names_every_option() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "freezer", "build", "--help"], capture_output=True, text=True, check=True
    )
    for setting in SETTINGS:
        assert re.search(rf"--{setting.name}\b", done.stdout)
