"""The table of PyInstaller's options, and those that its help names."""

from __future__ import annotations

import re
import subprocess
import sys

from freezer.plan.pyinstaller_options import OPTIONS, Value


def test_the_table_has_all_options() -> None:
    """Whatever PyInstaller's help names, with a value where that has one."""
    shown = subprocess.run([sys.executable, "-m", "PyInstaller", "--help"], capture_output=True, text=True, check=True)
    described = shown.stdout.split("positional arguments:")[1]
    lines = re.findall(r"^  (-\S.*?)(?:   .*)?$", described, re.MULTILINE)
    found: dict[str, bool] = {}
    for line in lines:
        parts = [part.split(maxsplit=1) for part in re.split(r", (?=-)", line)]
        # The value stands behind each name, and from Python 3.13 on behind the last.
        found.update((name, len(parts[-1]) > 1) for name, *_ in parts)
    assert len(found) > 60 and found == {
        name: option.value is not Value.NONE for option in OPTIONS for name in option.names
    }


def test_what_is_refused_has_a_reason_and_a_way_out() -> None:
    """Nothing is both left out and refused; the name that is passed on is a long one, if there is one."""
    for option in OPTIONS:
        assert (option.refused is None) == (option.instead is None) and not (option.refused and option.done)
        assert option.name in option.names and (option.name.startswith("--") or len(option.names) == 1)
