"""The modules of others that an application's own code names by strings, as settings of frameworks do."""

from __future__ import annotations

import importlib.util
import pkgutil
import sys
from collections.abc import Sequence
from typing import Optional

from own_index import OwnIndex

NEVER_NAMED = frozenset(("test", "idlelib", "lib2to3", "tkinter", "turtledemo", "this", "antigravity", "__main__"))
"""Modules of the standard library that strings do not mean."""


def exists(module: str, roots: Sequence[str] = ()) -> bool:
    """Whether a module of that name can be found, below ``roots`` too, without importing its parents."""
    return depth_of(module, roots) == module.count(".") + 1


def depth_of(module: str, roots: Sequence[str] = ()) -> int:
    """How many parts of a dotted name, from its beginning, are a module that can be found."""
    path: Sequence[str] = [*roots, *sys.path]
    parts = module.split(".")
    for depth in range(len(parts)):
        places, _ = find(".".join(parts[: depth + 1]), path)
        if places is None and depth == 0 and parts[0]:
            # Built in, frozen, or known to a finder that an editable installation has brought.
            try:
                spec = importlib.util.find_spec(parts[0])
            except ValueError:
                spec = None
            if spec is not None:
                places = list(spec.submodule_search_locations or ())
        if places is None:
            return depth
        path = places
    return len(parts)


def find(name: str, path: Sequence[str]) -> tuple[Optional[list[str]], bool]:
    """The directories that the modules of a package are in, none for a module, None if there is nothing of that name;
    and whether it is more than a namespace. The import system looks such directories up by the parent, imported."""
    portions: list[str] = []
    for place in path:
        finder = pkgutil.get_importer(place)
        spec = finder.find_spec(name) if finder is not None else None
        if spec is None:
            continue
        if spec.loader is not None:
            return list(spec.submodule_search_locations or ()), True
        portions += spec.submodule_search_locations or ()
    return portions or None, False


def is_elsewhere(top: str) -> bool:
    """Whether a module or regular package of that name is in the environment, which comes before a mere directory."""
    return find(top, sys.path)[1]


class ForeignModules:
    """``modules`` are those to add, ``whole`` the packages of which everything is wanted."""

    def __init__(self, index: OwnIndex) -> None:
        self.index = index
        self.modules: set[str] = set()
        self.whole: set[str] = set()
        self._known: dict[str, int] = {}

    def add(self, text: str, sure: bool, whole: bool = False) -> None:
        """Add the longest beginning of ``text`` that is a module. A single word is one only if that is ``sure``."""
        parts = text.split(".")
        if (len(parts) == 1 and not sure) or parts[0] in NEVER_NAMED or not all(part.isidentifier() for part in parts):
            return
        if text not in self._known:
            self._known[text] = depth_of(text) if parts[0] not in self.index.modules else 0
        depth = self._known[text]
        if depth < (1 if sure else 2):
            return
        self.modules.add(".".join(parts[:depth]))
        if whole:
            # A class of an application's configuration is in a module of its package.
            self.whole.add(".".join(parts[: depth - 1] if depth > 1 and parts[depth - 1] == "apps" else parts[:depth]))
