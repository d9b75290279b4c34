"""Where numba keeps compiled code, with classes that choose places as numba's do."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import pytest

import freezer.freeze.runtime

BUNDLE = "/tree/_internal"


class Locator:
    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        return py_file.rpartition("/")[0]

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Optional[Locator]:
        return cls(cls.get_suitable_cache_subpath(py_file))


class InTreeCacheLocator(Locator):
    pass


class UserWideCacheLocator(Locator):
    writable = True

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Optional[Locator]:
        return super().from_function(py_func, py_file) if cls.writable else None


class Chooser:
    _locator_classes = (InTreeCacheLocator, UserWideCacheLocator)

    def choose(self, py_file: str) -> tuple[str, str]:
        found = filter(None, (kind.from_function(None, py_file) for kind in self._locator_classes))
        locator = next(found)
        return type(locator).__name__, locator.path


@pytest.fixture
def adapt(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(freezer.freeze.runtime.__file__).parent))
    monkeypatch.setattr(sys, "executable", "/bin/app")
    # As numba's own, the classes are changed in place.
    name = "get_suitable_cache_subpath"
    monkeypatch.setattr(Locator, name, vars(Locator)[name])
    monkeypatch.setattr(Chooser, "_locator_classes", Chooser._locator_classes)
    yield importlib.import_module("_freezer_caches").adapt
    del sys.modules["_freezer_caches"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        # The tree's place may differ at each start, the executable's stays.
        (f"{BUNDLE}/app.py", ("UserWideCacheLocator", "/bin/app")),
        (f"{BUNDLE}/pack/part.py", ("UserWideCacheLocator", "/bin/app/pack")),
        # What is not the application's is as everywhere.
        ("/home/plugin.py", ("InTreeCacheLocator", "/home")),
        (f"{BUNDLE}-more/app.py", ("InTreeCacheLocator", f"{BUNDLE}-more")),
    ],
)
@pytest.mark.parametrize("name", ["CacheImpl", "_CacheImpl"])
def test_places(adapt: Any, name: str, file: str, expected: tuple[str, str]) -> None:
    adapt(SimpleNamespace(**{"_CacheLocator": Locator, name: Chooser}), BUNDLE)
    assert Chooser().choose(file) == expected


def test_without_a_cache_of_the_users(adapt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """numba refuses to compile where it finds no place."""
    adapt(SimpleNamespace(_CacheLocator=Locator, CacheImpl=Chooser), BUNDLE)
    monkeypatch.setattr(UserWideCacheLocator, "writable", False)
    assert Chooser().choose(f"{BUNDLE}/app.py")[0] == "InTreeCacheLocator"


@pytest.mark.parametrize("parts", [{}, {"_CacheLocator": object}, {"_CacheLocator": Locator, "CacheImpl": object}])
def test_another_numba_is_left_alone(adapt: Any, parts: dict[str, Any]) -> None:
    before = vars(Locator)["get_suitable_cache_subpath"], Chooser._locator_classes
    adapt(SimpleNamespace(**parts), BUNDLE)
    assert (vars(Locator)["get_suitable_cache_subpath"], Chooser._locator_classes) == before
