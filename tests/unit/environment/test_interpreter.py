"""What an interpreter says of itself, and which ones cannot be built with."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.environment.interpreter import find_libpython
from freezer.system.host import Host


def test_find_libpython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.environment.interpreter.loader_directories", lambda *_: [tmp_path / "system"])
    facts: dict[str, object] = {
        "library": "libpython3.99.so.1.0",
        "directories": [str(tmp_path / "lib")],
        "executable": "/x",
    }
    assert find_libpython(facts, Host()) is None
    for folder in ("system", "lib"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "libpython3.99.so.1.0").write_text("")
        assert find_libpython(facts, Host()) == tmp_path / folder / "libpython3.99.so.1.0"
