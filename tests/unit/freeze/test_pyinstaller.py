"""What PyInstaller says, read; what it keeps to itself, refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.errors import InputError, ToolError
from freezer.freeze import pyinstaller as module
from freezer.freeze.pyinstaller import read_warnings

WARNINGS = """
This file lists modules PyInstaller was not able to find. This does not
necessarily mean this module is required for running your program.

Types if import:
* top-level: imported at the top-level - look at these first

missing module named pwd - imported by posixpath (delayed, conditional, optional), shutil (delayed, optional)
missing module named 'collections.abc' - imported by traceback (top-level)
missing module named 'yaml.cyaml' - imported by /site/app.py (top-level)
invalid module named odd.name - imported by a (top-level)
missing module named _winapi - imported by encodings (delayed)
"""


def test_read_warnings(tmp_path: Path) -> None:
    path = tmp_path / "warn-x.txt"
    path.write_text(WARNINGS)
    found = read_warnings(path)
    assert set(found) == {"pwd", "collections.abc", "yaml.cyaml", "odd.name", "_winapi"}
    assert found["yaml.cyaml"] == "/site/app.py (top-level)"


@pytest.mark.parametrize(
    "line",
    [
        "ERROR: --collect-all x: there is no such package",
        "freeze.py: ERROR: option(s) not allowed:",
        "ERROR: the spec file must make exactly one executable, it makes 2",
    ],
)
def test_errors_of_the_users_are_input_errors(line: str) -> None:
    with pytest.raises(InputError):
        module._explain(ToolError("x", why=f"before\n{line}\nafter"))
    module._explain(ToolError("x", why="something else"))
    module._explain(ToolError("x"))
