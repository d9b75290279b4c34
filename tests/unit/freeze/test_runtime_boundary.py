"""Where the imports of an application end for a memory snapshot, in the process that becomes it."""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

from freezer.freeze import RUNTIME

sys.path.insert(0, str(RUNTIME))
runtime: Any = importlib.import_module("_freezer_boundary")
del sys.path[0]

MODULES = {
    "bd_outer": "import bd_calm\nimport bd_inner\nimport bd_last\n",
    "bd_inner": "import bd_seen\nimport bd_wrong\nbd_seen.found.append(bd_wrong)\n",
    "bd_calm": "",
    "bd_wrong": "",
    "bd_last": "",
    "bd_extra": "import bd_calm\n",
    "bd_bad": "import bd_wrong\n",
    "bd_seen": "found = []\n",
}


class Impossible(Exception):
    """In place of the end of the process."""


class Run:
    """Runs imports until a boundary; ``there`` are the modules of the sample that there are when it is reached."""

    def __init__(self, before: Sequence[str] = (), imports: Sequence[str] = ()) -> None:
        self.there: list[str] = []
        self.asked: list[str] = []
        self.boundary = runtime.Boundary(before, imports, self.reached, self.refuse, self.asked.append)
        self.boundary.watch()

    def reached(self) -> None:
        assert self.there == [], "it is reached once"
        self.there = sorted(name for name in sys.modules if name.startswith("bd_"))

    def refuse(self, problem: str) -> NoReturn:
        raise Impossible(problem)


@pytest.fixture(autouse=True)
def sample(tmp_path: Path) -> Iterator[None]:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    finders = list(sys.meta_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        try:
            yield
        finally:
            sys.meta_path[:] = finders
            for name in [*filter(lambda name: name.startswith("bd_"), sys.modules)]:
                del sys.modules[name]
            vars(builtins).pop(runtime.MARK, None)


def mark() -> None:
    getattr(builtins, runtime.MARK)()


def test_it_is_at_the_mark() -> None:
    run = Run()
    importlib.import_module("bd_outer")
    assert run.there == []
    mark()
    assert run.there == ["bd_calm", "bd_inner", "bd_last", "bd_outer", "bd_seen", "bd_wrong"]
    assert run.asked == ["bd_outer", "bd_calm", "bd_inner", "bd_seen", "bd_wrong", "bd_last", ""]
    assert run.boundary not in sys.meta_path
    assert not hasattr(builtins, runtime.MARK)


@pytest.mark.parametrize(
    ("name", "there"),
    [("bd_wrong", ["bd_calm", "bd_inner", "bd_outer", "bd_seen"]), ("bd_inner", ["bd_calm", "bd_outer"])],
)
def test_it_is_before_a_module_that_a_dependency_imports(name: str, there: list[str]) -> None:
    """The import itself goes on, and nothing happens at the mark any more."""
    run = Run([name])
    outer: Any = importlib.import_module("bd_outer")
    assert run.there == there
    assert outer.bd_inner.bd_seen.found == [sys.modules["bd_wrong"]]
    assert run.boundary not in sys.meta_path
    mark()
    assert not hasattr(builtins, runtime.MARK)


def test_no_finder_is_passed_over() -> None:
    """Python goes through the list of finders, from which one is taken out meanwhile."""

    class Next:
        @staticmethod
        def find_spec(name: str, *_: object) -> Any:
            return importlib.util.spec_from_loader(name, Loader()) if name == "bd_special" else None

    class Loader(importlib.abc.Loader):
        def exec_module(self, module: Any) -> None:
            module.special = True

    finder: Any = Next
    sys.meta_path.insert(0, finder)
    run = Run(["bd_special"])
    special: Any = importlib.import_module("bd_special")
    assert special.special
    assert run.boundary not in sys.meta_path
    nowhere = Run(["bd_nowhere"])
    with pytest.raises(ImportError):
        importlib.import_module("bd_nowhere")
    assert nowhere.boundary not in sys.meta_path


@pytest.mark.parametrize("before", [[], ["bd_inner"]])
def test_what_is_imported_in_addition(before: list[str]) -> None:
    run = Run(before, ["bd_extra"])
    importlib.import_module("bd_outer")
    mark()
    assert {"bd_extra", "bd_calm", "bd_outer"} <= set(run.there)
    assert ("bd_inner" in run.there) == (not before)
    assert run.asked[-1] == "" and "bd_extra" not in run.asked


@pytest.mark.parametrize(
    ("imports", "problem"),
    [
        ("bd_bad", "bd_bad, which the snapshot is to have, imports bd_wrong, which it must not"),
        ("bd_nowhere", "bd_nowhere, which the snapshot is to have, cannot be imported there: ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_in_it(imports: str, problem: str) -> None:
    Run(["bd_wrong"], [imports])
    with pytest.raises(Impossible, match=problem):
        importlib.import_module("bd_outer")


def test_modules_that_are_not_finished(tmp_path: Path) -> None:
    half_text = "import bd_seen, sys\nbd_seen.found.append(bd_seen.ask(sys.modules[__name__]))\n"
    (tmp_path / "bd_half.py").write_text(half_text)
    seen: Any = importlib.import_module("bd_seen")
    seen.ask = runtime.is_unfinished
    half = importlib.import_module("bd_half")
    assert seen.found == [True]
    assert not runtime.is_unfinished(half)
    assert not runtime.is_unfinished(ModuleType("x"))
