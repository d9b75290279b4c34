"""Notes on finished builds: used only if nothing that decided the result has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from sites import Site

from freezer.application import inputs


def remove(path: str) -> Callable[[Site], None]:
    return lambda finished: (finished.folder.parent / path).unlink()


def write(path: str, text: str = "changed") -> Callable[[Site], Any]:
    return lambda finished: (finished.folder.parent / path).write_text(text)


CHANGES: dict[str, Callable[[Site], Any]] = {
    "source": write("site/helper.py"),
    "source removed": remove("site/helper.py"),
    "data": write("site/data/x"),
    "new data": write("site/data/y"),
    "library": write("site/lib.so"),
    "requirement": write("site/r.txt"),
    "output": write("site/out"),
    "output, of the same size": write("site/out", "tou"),
    "output removed": remove("site/out"),
    "new module": write("site/new.py"),
    "environment": remove("cache/env/key/complete"),
    "time": lambda finished: os.utime(finished.folder / "app.py", (1, 1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed(finished: Site, name: str) -> None:
    CHANGES[name](finished)
    assert finished.kept() is None


def test_other_tools(finished: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "toolchain_versions", lambda: {"pyinstaller": "99"})
    assert finished.kept() is None
