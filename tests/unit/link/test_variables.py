"""The table of Python's variables: it is complete, and the library that starts an application goes by it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import Page
from support import CHECKOUT

from freezer.freeze.runtime import __file__ as runtime

PAGE = Page("docs/variables.md")
START = (CHECKOUT / "freezer" / "link" / "launcher" / "start.c").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (yes|no|`0` only) \| (.*) ?\|$", re.MULTILINE)


def table(name: str) -> dict[str, str]:
    text = PAGE.text.partition(f"<!-- variables: {name} -->\n")[2].partition("<!-- end -->")[0]
    rows = {match[1]: match[2] for match in ROW.finditer(text)}
    assert len(rows) == text.count("\n") - 2
    return rows


def interpreters() -> list[str]:
    """The Python of the tests, and those of pyenv."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    others = (path for path in versions.glob("3.*/bin/python3") if int(path.parts[-3].split(".")[1]) >= 9)
    return [sys.executable, *sorted(map(str, others))]


@pytest.mark.parametrize("python", interpreters())
def test_every_variable_is_in_the_table(python: str) -> None:
    """A variable of a new version of Python is to be thought about."""
    shown = [
        subprocess.run([python, option], capture_output=True, text=True, check=False).stdout
        for option in ("--help-env", "--help")
    ]
    named = set(re.findall(r"PYTHON[A-Z_0-9]+", "".join(shown)))
    assert len(named) >= 5
    assert named <= {*table("interpreter"), *table("library")}


def test_what_is_heard_is_in_the_table() -> None:
    listed = re.findall(r'"(\w+)"', START.partition("heard[] = {")[2].partition("};")[0])
    assert listed == [name for name, heard in table("interpreter").items() if heard == "yes"]
    assert [name for name, heard in table("interpreter").items() if heard == "`0` only"] == ["PYTHONBREAKPOINT"]


def test_what_modules_read_is_stopped() -> None:
    text = Path(runtime).with_name("_freezer_unheard.py").read_text(encoding="utf-8")
    stopped = [name for name, heard in table("library").items() if heard == "no"]
    assert len(stopped) == 4
    assert all(name in text for name in stopped)


def test_every_row_that_says_no_says_why() -> None:
    rows = ROW.findall(PAGE.text)
    assert len(rows) > 50
    assert [name for name, heard, why in rows if heard != "yes" and not why.strip()] == []
