"""Errors that need no build: each has its status and one message that names the thing, and leaves nothing behind.

Those that show only while building are in tests/integration/test_errors_build.py.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import held_free, snapshot

from freezer import pipeline
from freezer.base.errors import ExitStatus, Interrupted
from freezer.cli.main import main

APP = {"app.py": "print('app')\n"}
PROJECT = {"pyproject.toml": "[project]\nname = 'thing'\nversion = '1'\n"}


def settings(text: str) -> dict[str, str]:
    return {**APP, "pyproject.toml": f"[tool.freezer]\n{text}\n"}


def facts(**changes: object) -> dict[str, object]:
    """What describe.py prints for an interpreter that would do."""
    return {
        "version": [3, 11, 2],
        "implementation": "cpython",
        "executable": "/opt/odd/bin/python3",
        "prefix": "/opt/odd",
        "libc": "glibc",
        "library": "libpython3.11.so.1.0",
        "directories": ["/opt/odd/lib"],
        **changes,
    }


def interpreter(answer: object) -> dict[str, str]:
    """An application, and a program that passes for a Python with these facts."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return {**APP, "python": f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n"}


@dataclass(frozen=True)
class Case:
    """``words`` must all be in the message; {here} stands for the current directory."""

    name: str
    arguments: tuple[str, ...]
    status: ExitStatus
    words: tuple[str, ...]
    files: dict[str, str] = field(default_factory=lambda: dict(APP))
    links: tuple[tuple[str, str], ...] = ()


BUILD = ("build", "app.py")
INPUT, ENVIRONMENT, OUTPUT, USAGE = (
    ExitStatus.INPUT,
    ExitStatus.ENVIRONMENT,
    ExitStatus.OUTPUT,
    ExitStatus.USAGE,
)

CASES = [
    Case("missing script", ("build", "nothing.py"), INPUT, ("{here}/nothing.py", "does not exist")),
    Case("dangling link", ("build", "link.py"), INPUT, ("{here}/link.py",), links=(("link.py", "no"),)),
    Case("nothing to freeze", ("build",), USAGE, ("nothing to freeze", "freezer build app.py")),
    Case("no project", ("build", "."), INPUT, ("is not a Python project", "pyproject.toml", "__main__.py")),
    Case("script and -c", (*BUILD, "-c", "x"), USAGE, ("app.py", "--console-script")),
    Case("script and -e", (*BUILD, "-e", "a:b"), USAGE, ("app.py", "--entry-point")),
    Case("-e and -c", ("build", "-e", "a:b", "-c", "x"), USAGE, ("--entry-point", "--console-script", "together")),
    Case("no function", ("build", "-e", "package"), INPUT, ("'package'", "MODULE:FUNCTION")),
    Case("not a function", ("build", "-e", "a b:c"), INPUT, ("'a b:c'", "MODULE:FUNCTION")),
    Case("missing requirements", (*BUILD, "-r", "no.txt"), INPUT, ("--requirement", "{here}/no.txt")),
    Case("requirements directory", (*BUILD, "-r", "."), INPUT, ("--requirement", "{here}")),
    Case("missing constraints", (*BUILD, "--constraint", "no.txt"), INPUT, ("--constraint", "{here}/no.txt")),
    Case("missing library", (*BUILD, "--library", "lib.so"), INPUT, ("--library", "{here}/lib.so")),
    Case("missing data", (*BUILD, "--add-data", "no:x"), INPUT, ("--add-data", "{here}/no", "does not exist")),
    Case("missing binary", (*BUILD, "--add-binary", "no:x"), INPUT, ("--add-binary", "{here}/no")),
    Case("data outside", (*BUILD, "--add-data", "app.py:../x"), INPUT, ("app.py:../x", "inside the bundle")),
    Case("data at the root", (*BUILD, "--add-data", "app.py:/x"), INPUT, ("app.py:/x", "inside the bundle")),
    Case("data to nowhere", (*BUILD, "--add-data", "app.py:"), INPUT, ("app.py:", "SOURCE:DESTINATION")),
    Case("data from nowhere", (*BUILD, "--add-data", ":x"), INPUT, ("':x'", "SOURCE:DESTINATION")),
    Case("bad hidden import", (*BUILD, "--hidden-import", "a-b"), INPUT, ("--hidden-import", "'a-b'")),
    Case("bad exclude", (*BUILD, "--exclude", ""), INPUT, ("--exclude", "''")),
    Case("bad package", (*BUILD, "--collect-all", "a/b"), INPUT, ("--collect-all", "'a/b'")),
    Case("name with a slash", (*BUILD, "--name", "a/b"), INPUT, ("--name", "'a/b'")),
    Case("empty name", (*BUILD, "--name", ""), INPUT, ("--name", "''")),
    Case("hidden name", (*BUILD, "--name", ".app"), INPUT, ("--name", "'.app'")),
    Case("name with a newline", (*BUILD, "--name", "a\nb"), INPUT, ("--name", "'a\\nb'")),
    Case("open quote", (*BUILD, "--smoke", "--say 'hi"), INPUT, ("--smoke", "--say 'hi", "quotation")),
    Case("no status", (*BUILD, "--smoke-status", "256"), INPUT, ("--smoke-status", "256")),
    Case("owned option", (*BUILD, "--", "--onedir"), USAGE, ("--onedir", "PyInstaller")),
    Case("owned option with a value", (*BUILD, "--", "--distpath=x"), USAGE, ("--distpath",)),
    Case("no such Python", (*BUILD, "--python", "./no"), INPUT, ("--python", "{here}/no")),
    Case("no such version", (*BUILD, "--python", "3.1"), INPUT, ("--python 3.1", "no such interpreter")),
    Case("odd version", (*BUILD, "--python", "newest"), INPUT, ("--python newest", "no such interpreter")),
    Case("output is a directory", (*BUILD, "-o", "d"), OUTPUT, ("{here}/d", "is a directory"), {**APP, "d/x": ""}),
    Case("output below a file", (*BUILD, "-o", "f/x"), OUTPUT, ("{here}/f/x",), {**APP, "f": ""}),
    Case("output name too long", (*BUILD, "-o", "x" * 256), OUTPUT, ("{here}/xxx", "name too long")),
    Case(
        "unknown key", BUILD, INPUT, ("{here}/pyproject.toml", "'hiden-import'", "'hidden-import'"),
        settings("hiden-import = ['x']"),
    ),
    Case("wrong kind", BUILD, INPUT, ("{here}/pyproject.toml", "strip", "true or false"), settings("strip = 'yes'")),
    Case("broken settings", BUILD, INPUT, ("{here}/pyproject.toml", "cannot read"), settings("strip = ")),
    Case(
        "unknown key in setup.cfg", BUILD, INPUT, ("{here}/setup.cfg", "'smokes'", "'smoke'"),
        {**APP, "setup.cfg": "[freezer]\nsmokes = --version\n"},
    ),
    Case("missing file in settings", BUILD, INPUT, ("{here}/r.txt",), settings("requirement = ['r.txt']")),
    Case(
        "no shared libpython", (*BUILD, "--python", "./python"), ENVIRONMENT,
        ("3.11.2", "/opt/odd/bin/python3", "no shared libpython", "/opt/odd/lib", "libpython3.11", "--enable-shared"),
        interpreter(facts(library="libpython3.11-odd.so.1.0")),
    ),
    Case(
        "old Python", (*BUILD, "--python", "./python"), ENVIRONMENT, ("3.8.18", "too old"),
        interpreter(facts(version=[3, 8, 18])),
    ),
    Case(
        "another implementation", (*BUILD, "--python", "./python"), ENVIRONMENT, ("pypy", "CPython"),
        interpreter(facts(implementation="pypy")),
    ),
    Case("musl", (*BUILD, "--python", "./python"), ENVIRONMENT, ("musl", "glibc"), interpreter(facts(libc="musl"))),
    Case(
        "no Python", (*BUILD, "--python", "./python"), ENVIRONMENT, ("{here}/python", "not a Python interpreter"),
        interpreter("hello"),
    ),
    Case(
        "failing Python", (*BUILD, "--python", "./python"), ENVIRONMENT, ("{here}/python", "status 3", "dear me"),
        {**APP, "python": "#!/bin/sh\necho dear me >&2; exit 3\n"},
    ),
    Case(
        "unstartable Python", (*BUILD, "--python", "./python"), ENVIRONMENT, ("{here}/python", "cannot be started"),
        {**APP, "python": "#!/no/such/shell\n"},
    ),
    Case("check of nothing", ("check", "nothing"), INPUT, ("{here}/nothing", "does not exist")),
    Case("check of a directory", ("check", "."), INPUT, ("{here}", "not a file")),
    Case("check of a text", ("check", "app.py"), INPUT, ("{here}/app.py", "not an ELF file")),
]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and a cache of its own beside it."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return place


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)


Complain = Callable[..., str]


@pytest.fixture
def complain(here: Path, capsys: pytest.CaptureFixture[str]) -> Complain:
    """Runs freezer, which must fail as it should; returns the message."""

    def call(*arguments: str, status: ExitStatus) -> str:
        (here / "dist").mkdir(exist_ok=True)
        (here / "dist" / "app").write_bytes(b"\x7fELF, the previous output")
        before = snapshot(here)
        assert main(arguments) == status
        said = capsys.readouterr()
        assert said.out == ""
        assert "Traceback" not in said.err
        assert said.err.count("freezer: error: ") == 1
        assert snapshot(here) == before
        assert held_free(Path(os.environ["XDG_CACHE_HOME"], "freezer", "work")) == []
        return said.err[said.err.index("freezer: error: ") :]

    return call


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_error(case: Case, here: Path, complain: Complain) -> None:
    fill(here, case.files)
    for name, target in case.links:
        (here / name).symlink_to(target)
    message = complain(*case.arguments, status=case.status)
    missing = [word for word in case.words if word.replace("{here}", str(here)) not in message]
    assert not missing, message


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("bild",),
        ("build", "app.py", "--no-such-option"),
        ("build", "app.py", "other.py"),
        ("build", "app.py", "--jobs", "many"),
        ("build", "app.py", "--smoke"),
        ("build", "app.py", "-v", "-q"),
        ("check",),
        ("check", "app", "--output", "x"),
    ],
    ids=" ".join,
)
def test_usage_errors(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == ExitStatus.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "usage: freezer" in said.err


@pytest.mark.parametrize("epoch", ["yesterday", "-1", "1.5", "\u00b2"])
def test_bad_source_date_epoch(epoch: str, here: Path, complain: Complain, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(here, APP)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert "SOURCE_DATE_EPOCH" in complain("build", "app.py", status=INPUT)


def test_missing_programs(here: Path, complain: Complain, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(here, APP)
    monkeypatch.setenv("PATH", str(here))
    message = complain("build", "app.py", status=ENVIRONMENT)
    assert re.search(r"missing programs?: .*objcopy, strip", message), message
    assert "apt-get install binutils" in message


def test_unwritable_output(here: Path, complain: Complain) -> None:
    if os.geteuid() == 0:
        # Root may write anywhere but on a file system that nobody can write to.
        fill(here, APP)
        message = complain("build", "app.py", "-o", "/proc/self/app", status=OUTPUT)
        assert "cannot write /proc/self/app" in message
        return
    fill(here, {**APP, "closed/x": ""})
    (here / "closed").chmod(0o555)
    message = complain("build", "app.py", "-o", "closed/app", status=OUTPUT)
    assert f"cannot write {here}/closed/app" in message
    assert "-o" in message


def test_unusable_cache(here: Path, complain: Complain, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(here, {**APP, "file": ""})
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "file" / "cache"))
    message = complain("build", "app.py", status=ENVIRONMENT)
    assert f"cannot work in {here}/file/cache/freezer" in message
    assert "XDG_CACHE_HOME" in message


def test_error_as_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "nothing.py", "--json"]) == INPUT
    said = capsys.readouterr()
    reply = json.loads(said.out)
    assert reply["status"] == 3
    assert reply["error"] == f"{here}/nothing.py does not exist"
    assert reply["hint"]
    assert "freezer: error: " in said.err


def test_a_bug_has_a_traceback(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("nobody expected this")

    fill(here, APP)
    monkeypatch.setattr(pipeline, "build", broken)
    assert main(["build", "app.py"]) == ExitStatus.BUG
    said = capsys.readouterr().err
    assert "Traceback" in said and "nobody expected this" in said and "this is a bug in freezer" in said


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), Interrupted("interrupted by SIGTERM")])
def test_interrupted(
    here: Path, problem: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise problem

    fill(here, APP)
    monkeypatch.setattr(pipeline, "build", stop)
    assert main(["build", "app.py"]) == ExitStatus.INTERRUPTED
    assert "freezer: error: interrupted" in capsys.readouterr().err
