"""What is passed on to PyInstaller."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.errors import UsageError
from freezer.plan.pyinstaller_args import OWNED_BY_FREEZER, passed_on

HERE = Path("/here")


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (["--paths", "vendor"], ["--paths", "/here/vendor"]),
        (["--paths=vendor:/opt/lib"], ["--paths=/here/vendor:/opt/lib"]),
        (["-p", "../lib", "--debug", "all"], ["-p", "/here/../lib", "--debug", "all"]),
        (["--additional-hooks-dir=hooks"], ["--additional-hooks-dir=/here/hooks"]),
        (["--runtime-hook", "start.py"], ["--runtime-hook", "/here/start.py"]),
        (["--add-data", "x:y"], ["--add-data", "/here/x:y"]),
        (["--add-data=x"], ["--add-data=x"]),
        (["--hidden-import", "--paths"], ["--hidden-import", "--paths"]),
        # A spec file's own arguments.
        (["-p", "x", "--", "-p", "x", "--name=y"], ["-p", "/here/x", "--", "-p", "x", "--name=y"]),
        ([], []),
    ],
)
def test_paths_are_made_absolute(given: list[str], passed: list[str]) -> None:
    assert list(passed_on(given, HERE)) == passed


@pytest.mark.parametrize("option", sorted(OWNED_BY_FREEZER))
def test_what_freezer_sets_itself(option: str) -> None:
    for words in ([option], [f"{option}=x"]):
        with pytest.raises(UsageError, match="cannot be passed to PyInstaller"):
            passed_on(words, HERE)
