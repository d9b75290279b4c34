"""The command line: pure, quick, and the same table as the settings files."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Optional

import pytest
from sites import Site

from freezer import __version__
from freezer.base.errors import ExitStatus
from freezer.cli import main as cli
from freezer.cli.main import build_parser, main

SLOW = (
    "rich",
    "elftools",
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
    assert own == {
        "freezer.base",
        "freezer.base.errors",
        "freezer.base.shortage",
        "freezer.plan",
        "freezer.plan.choices",
        "freezer.plan.image_settings",
        "freezer.plan.settings",
    }


def test_a_build_in_which_nothing_changed_imports_little(
    finished: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Most of its time are imports: what describes images, starts programs or reads archives is for others."""
    (finished.folder.parent / "freezer").symlink_to("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(finished.folder.parent))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.chdir(finished.folder)
    words = ("build", "app.py", "-r", "r.txt", "--add-data", "data:data", "--library", "lib.so", "-o", "out")
    (finished.folder / "out").write_bytes(b"\x7fELF")  # or it would not be taken for a result
    finished.write()
    assert main(words) == ExitStatus.DONE
    assert "is up to date" in capsys.readouterr().err
    modules = imported(*words)
    assert "freezer.results" in modules
    assert not modules & {"freezer.stages", "freezer.base.job", "freezer.store.workspace", "freezer.plan.resolve_image"}
    assert not modules & {"subprocess", "ctypes", "zipfile", "html", "secrets", "getpass", "importlib.metadata"}


@pytest.mark.parametrize("command", [*cli.COMMANDS, "buil", "--help", None])
def test_the_parser_of_one_command(command: Optional[str]) -> None:
    """It understands that command as that of all does; a word that is none asks for all of them."""
    whole, one = ((build_parser()), build_parser(command))
    if command in cli.COMMANDS:
        texts = []
        for parser in (whole, one):
            with pytest.raises(SystemExit), contextlib.redirect_stdout(io.StringIO()) as out:
                parser.parse_args([command, "--help"])
            texts.append(out.getvalue())
        assert texts[0] == texts[1] != ""
    else:
        assert one.format_help() == whole.format_help()


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


def test_every_command_can_print_json_and_be_quiet() -> None:
    """The error boundary asks for it."""
    for words in (["build"], ["image", "x"], ["check", "x"], ["inspect", "x"], ["cache", "list"], ["cache", "prune"]):
        assert words[0] in cli.COMMANDS
        parsed = build_parser().parse_args([*words, "--json", "-q"])
        assert (parsed.json, parsed.quiet, parsed.verbose) == (True, True, False)


INTERRUPTED_IN_EXEC = """
import sys
from freezer.cli import main

main.COMMANDS["cache"] = lambda *_: exec("raise KeyboardInterrupt")
sys.exit(main.main(["cache", "list"]))
"""


def test_an_interrupted_exec_of_source_text_is_a_status(here: Path) -> None:
    """Python would end ``python -m`` by SIGINT, if the last source text that it has run was interrupted."""
    (here / "interrupted.py").write_text(INTERRUPTED_IN_EXEC)
    done = subprocess.run([sys.executable, "-m", "interrupted"], capture_output=True, text=True, check=False)
    assert done.returncode == ExitStatus.INTERRUPTED, done.stderr


def test_an_interruption_in_a_callback_is_not_lost() -> None:
    """What is raised where an object ends, Python drops."""

    class Ended:
        def __del__(self) -> None:
            for _ in range(2):
                signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGALRM), sys.unraisablehook
    with pytest.raises(KeyboardInterrupt, match="interrupted by SIGTERM"), cli._signals_raise():
        Ended()
        time.sleep(60)
    assert (signal.getsignal(signal.SIGALRM), sys.unraisablehook) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_become_an_exception_and_are_given_back(number: signal.Signals) -> None:
    for item in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Whoever starts the tests may have had them ignored.
        signal.signal(item, signal.SIG_DFL)
    before = {item: signal.getsignal(item) for item in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    # Libraries that read files catch every Exception, and raise one of their own.
    with pytest.raises(KeyboardInterrupt, match=number.name), cli._signals_raise(), contextlib.suppress(Exception):
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


def test_modules_of_the_current_directory_are_not_imported(tmp_path: Path) -> None:
    """Neither at the start nor later: the application's modules may be called like Python's."""
    for name in ("argparse", "queue", "json", "concurrent"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    command = [sys.executable, "-m", "freezer", "build", "missing.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == ExitStatus.INPUT, done.stderr
    assert "missing.py does not exist" in done.stderr
