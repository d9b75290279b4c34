"""Which starts from snapshots are asked for, and what is refused before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plans import plan

from freezer.base.errors import InputError
from freezer.plan.snapshot import SnapshotPlan

NATIVE = {"start": "snapshot", "linker": "native"}


def made(folder: Path, **arguments: Any) -> Any:
    (folder / "app.py").touch()
    return plan(folder, entry="app.py", **arguments)


def test_plain_starts_are_the_default(tmp_path: Path) -> None:
    assert made(tmp_path).snapshot is None
    assert made(tmp_path, start="plain", leave="plain", linker="native").snapshot is None


def test_from_the_command_line(tmp_path: Path) -> None:
    assert made(tmp_path, **NATIVE).snapshot == SnapshotPlan()
    assert made(tmp_path, **NATIVE, leave="early").snapshot == SnapshotPlan(early=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "pyproject.toml",
            "[tool.freezer]\nlinker = 'native'\nstart = 'snapshot'\nleave = 'early'\n"
            "[tool.freezer.snapshot]\nbefore = ['a.b']\nimports = ['a', 'c.d']\nignore-env = ['X_*', 'Y']\n",
        ),
        (
            "setup.cfg",
            "[freezer]\nlinker = native\nstart = snapshot\nleave = early\n"
            "[freezer.snapshot]\nbefore =\n  a.b\nimports =\n  a\n  c.d\nignore-env =\n  X_*\n  Y\n",
        ),
    ],
)
def test_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert made(tmp_path).snapshot == SnapshotPlan(("a.b",), ("a", "c.d"), ("X_*", "Y"), early=True)
    assert made(tmp_path, start="plain", leave="plain").snapshot is None


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"start": "snapshot"}, "--linker staticx"),
        ({"start": "snapshot", "linker": "staticx"}, "--linker staticx"),
        ({**NATIVE, "verify": "no"}, "--verify no"),
        ({**NATIVE, "start": "quick"}, "'quick' is unknown"),
        ({**NATIVE, "leave": "late"}, "'late' is unknown"),
        ({"leave": "early", "linker": "native"}, "--leave early needs --start snapshot"),
    ],
)
def test_what_cannot_be(tmp_path: Path, arguments: dict[str, str], what: str) -> None:
    with pytest.raises(InputError, match=what) as caught:
        made(tmp_path, **arguments)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "before = ['a b']",
        "before = ['']",
        "before = 'a'",
        "imports = ['a-b']",
        "before = ['a']\nimports = ['a.b']",
        "ignore-env = 1",
        "after = ['a']",
    ],
)
def test_malformed_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.freezer.snapshot]\n{text}\n")
    with pytest.raises(InputError):
        made(tmp_path, **NATIVE)
