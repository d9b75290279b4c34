"""Modules of an application that are called like Python's own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
standard_modules: Any = importlib.import_module("standard_modules")
del sys.path[0]


def test_what_comes_before_pythons_own(tmp_path: Path) -> None:
    for name in ("queue.py", "mine.py", "os.py", "time.py", "json/__init__.py", "email/x.py", "code.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = standard_modules.shadowed([str(tmp_path), str(tmp_path / "gone")])
    assert found == {"queue": str(tmp_path), "json": str(tmp_path)}


def test_the_first_directory_wins(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
        (place / "queue.py").write_text("")
    assert standard_modules.shadowed(list(map(str, places))) == {"queue": str(places[0])}


def test_names_where_python_does_not_say_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.10."""
    known = standard_modules.standard_names()
    monkeypatch.delattr(sys, "stdlib_module_names", raising=False)
    found = standard_modules.standard_names()
    assert {"queue", "json", "colorsys", "plistlib", "sys", "math", "_bisect"} <= found & known
    assert not {"pytest", "site-packages"} & found
