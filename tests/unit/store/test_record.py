"""Records of builds: found by the plan alone, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freezer.store import record

PLAN = {"entry": Path("/app.py"), "strip": False}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "record").mkdir()
    return tmp_path


def test_it_is_read_as_it_was_written(home: Path) -> None:
    record.write(home, PLAN, {"output": "/x", "size": 3, "sources": [["a", 1, 2]]})
    assert record.read(home, PLAN) == {"output": "/x", "size": 3, "sources": [["a", 1, 2]]}
    # Whatever the order of the plan's values.
    assert record.read(home, dict(reversed(PLAN.items())))["size"] == 3
    record.write(home, PLAN, {"size": 4})
    assert record.read(home, PLAN) == {"size": 4}
    (path,) = (home / "record").iterdir()
    assert (len(path.stem), path.suffix) == (24, ".json")


def test_another_plan_or_version_has_another(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.write(home, PLAN, {"size": 3})
    with pytest.raises(FileNotFoundError):
        record.read(home, {**PLAN, "strip": True})
    monkeypatch.setattr(record, "__version__", "99")
    with pytest.raises(FileNotFoundError):
        record.read(home, PLAN)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "\xff"])
def test_damaged_records(home: Path, text: str) -> None:
    record.write(home, PLAN, {})
    (path,) = (home / "record").iterdir()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError):
        record.read(home, PLAN)


def test_what_cannot_be_written_changes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.write(home, PLAN, {"size": 3})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    record.write(home, PLAN, {"size": 4})
    assert record.read(home, PLAN) == {"size": 3}
    record.write(home / "gone", PLAN, {"size": 4})
    assert not (home / "gone").exists()
