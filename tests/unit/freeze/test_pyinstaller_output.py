"""What PyInstaller says, in its log and in its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.errors import InputError, ToolError
from freezer.freeze.pyinstaller_output import Output, SpecHelp, explained, read_warnings

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
        "ERROR: the spec file makes a, b: say by --name which to freeze",
    ],
)
def test_errors_of_the_users_are_input_errors(line: str) -> None:
    assert isinstance(explained(ToolError("x", why=f"before\n{line}\nafter")), InputError)
    for other in (ToolError("x", why="something else"), ToolError("x")):
        assert explained(other) is other


def test_a_spec_file_that_ends_the_run() -> None:
    """Its own words are shown. That is no failure if they are its help, and somebody has asked for that."""
    output = Output()
    assert output.of_ended_spec(()).why == "it printed nothing"
    for line in ("62 INFO: PyInstaller: 6", "usage: app.spec [-h]", "91 WARNING: Hidden import 'x' not found", "  -h"):
        assert output.read(line) is False
    assert output.not_found == ["x"]
    for arguments, kind in (
        ((), InputError),
        (("--help",), InputError),
        (("--", "--fast"), InputError),
        (("--", "--help"), SpecHelp),
        (("--log-level", "WARN", "--", "-x", "-h"), SpecHelp),
    ):
        error = output.of_ended_spec(arguments)
        assert (type(error), error.why) == (kind, "usage: app.spec [-h]\n  -h")


def test_what_a_spec_file_asks_for_in_vain() -> None:
    output = Output()
    for line in (
        "IGNORED: runtime_tmpdir",
        "IGNORED: splash",
        "IGNORED: splash",
        "62 INFO: IGNORED: x",
        "IGNORED: no x",
    ):
        output.read(line)
    splash, place = output.warnings()
    assert (
        splash == "splash in the spec file has no effect: an executable of freezer's shows no picture while it starts"
    )
    assert place.startswith("runtime-tmpdir in the spec file has no effect: where an executable")
