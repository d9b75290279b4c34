"""What the commands' arguments have in common."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import pytest

from freezer.base.errors import InputError
from freezer.base.log import Verbosity
from freezer.cli.options import add_output_options, add_setting, is_layout, log_of, readable, readable_or_layout
from freezer.plan.settings import Setting, ValueKind


def parsed(kind: ValueKind, *words: str) -> Any:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_setting(parser, Setting("some-thing", kind, "help", "group", ("-s",), "VALUE"))
    return parser.parse_args(words).some_thing


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        (ValueKind.TEXT, ("--some-thing", "x"), "x"),
        (ValueKind.TEXT, ("-s", "x"), "x"),
        (ValueKind.PATH, ("--some-thing=a/b",), "a/b"),
        (ValueKind.NUMBER, ("-s", "007"), 7),
        (ValueKind.FLAG, ("--some-thing",), True),
        (ValueKind.FLAG, ("--no-some-thing",), False),
        (ValueKind.SWITCH, ("-s",), True),
        (ValueKind.LIST, ("-s", "a", "--some-thing", "b"), ["a", "b"]),
        (ValueKind.PAIRS, ("-s", "a:b"), ["a:b"]),
    ],
)
def test_settings(kind: ValueKind, words: tuple[str, ...], value: Any) -> None:
    assert parsed(kind, *words) == value


@pytest.mark.parametrize("kind", list(ValueKind))
def test_what_is_not_given_is_none(kind: ValueKind) -> None:
    assert parsed(kind) is None


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "", "\u00b2", "1_0"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(argparse.ArgumentError, match="is not a whole number"):
        parsed(ValueKind.NUMBER, f"--some-thing={text}")


@pytest.mark.parametrize(
    ("words", "verbosity"), [((), Verbosity.NORMAL), (("-q",), Verbosity.QUIET), (("--verbose",), Verbosity.VERBOSE)]
)
def test_how_loud(words: tuple[str, ...], verbosity: Verbosity) -> None:
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    arguments = parser.parse_args(words)
    assert (log_of(arguments).verbosity, arguments.json) == (verbosity, False)


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    assert readable("file") == tmp_path / "file"
    assert readable("x/../link") == tmp_path / "link"
    for name in ("none", ".", "file/x"):
        with pytest.raises(InputError, match="does not exist or is not a file"):
            readable(name)


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so that the answer of the system is changed."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK)
    with pytest.raises(InputError, match="cannot be read"):
        readable(str(tmp_path / "file"))


def test_layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "layout").mkdir()
    assert not is_layout(tmp_path / "layout")
    with pytest.raises(InputError):
        readable_or_layout("layout")
    (tmp_path / "layout" / "oci-layout").touch()
    assert is_layout(tmp_path / "layout")
    assert readable_or_layout("layout") == tmp_path / "layout"
    (tmp_path / "file").touch()
    assert readable_or_layout("file") == tmp_path / "file"
