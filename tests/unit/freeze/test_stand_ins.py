"""Modules that stand in for compiled ones: left out where nobody can miss them, and nowhere else."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
stand_ins: Any = importlib.import_module("stand_ins")
sys.path.remove(str(DRIVERS))

ENTRIES = ["_pydecimal", "decimal", "numbers"]
COMPILED = "python3.11/lib-dynload/_decimal.cpython-311-x86_64-linux-gnu.so"


@dataclass
class Graph:
    importers: dict[str, list[str]]

    def get_importers(self, name: str) -> list[tuple[str, None]]:
        return [(importer, None) for importer in self.importers.get(name, [])]


@dataclass
class Analysis:
    graph: Graph
    binaries: list[tuple[str, str, str]]
    pure: list[tuple[str, str, str]] = field(
        default_factory=lambda: [(name, f"/lib/{name}.py", "PYMODULE") for name in ENTRIES]
    )


def left(binaries: list[str], importers: list[str]) -> list[str]:
    graph = Graph({"_pydecimal": importers})
    analysis = Analysis(graph, [(name, f"/lib/{name}", "EXTENSION") for name in binaries])
    the_list = analysis.pure
    stand_ins.leave_out(analysis)
    assert analysis.pure is the_list  # PyInstaller finds the code by that
    return [name for name, _, _ in analysis.pure]


@pytest.fixture(autouse=True)
def nothing_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_ins, "builtins", lambda: ())


def test_what_nobody_can_miss_is_left_out() -> None:
    assert left([COMPILED], ["decimal"]) == ["decimal", "numbers"]


def test_what_is_built_in_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_ins, "builtins", lambda: ("_decimal",))
    assert left([], ["decimal"]) == ["decimal", "numbers"]


@pytest.mark.parametrize(
    ("binaries", "importers"),
    [([], ["decimal"]), ([COMPILED.replace("_decimal", "_json")], ["decimal"]), ([COMPILED], ["decimal", "app"])],
    ids=["not compiled", "another", "named by the application"],
)
def test_what_may_be_needed_stays(binaries: list[str], importers: list[str]) -> None:
    assert left(binaries, importers) == ENTRIES


@pytest.mark.parametrize("name", stand_ins.STAND_INS)
def test_the_compiled_one_is_what_python_uses(name: str) -> None:
    """Else the module would be missing where it was left out."""
    user, other = stand_ins.STAND_INS[name]
    assert importlib.import_module(other)
    before = sys.modules.pop(name, None)
    sys.modules[name] = None  # type: ignore[assignment]  # importing it is an error
    kept = sys.modules.pop(user)
    try:
        assert importlib.import_module(user)
    finally:
        sys.modules[user] = kept
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
