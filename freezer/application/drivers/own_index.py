"""The modules that are on the application's own ground, by the names that they can be imported by."""

from __future__ import annotations

import importlib.machinery
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Optional

SUFFIXES = (".py", *importlib.machinery.EXTENSION_SUFFIXES)


def module_name(place: str) -> Optional[str]:
    """The dotted name of a file given by its path below a directory of ``sys.path``; None if it is no module."""
    for suffix in SUFFIXES:
        if place.endswith(suffix):
            parts = place[: -len(suffix)].split(os.sep)
            break
    else:
        return None
    if parts[-1] == "__init__":
        parts.pop()
    # Django's migrations are called 0001_initial: no statement imports such a module, but its name does.
    return ".".join(parts) if parts and all(re.fullmatch(r"\w+", part) for part in parts) else None


class OwnIndex:
    """The modules of ``files`` by name; ``roots`` are the directories that they are imported from. ``elsewhere`` tells
    whether others have a module of a name, which then is not that of a mere directory."""

    def __init__(self, files: Iterable[str], roots: Sequence[str], elsewhere: Callable[[str], bool]) -> None:
        self._elsewhere = elsewhere
        self._others: dict[str, bool] = {}
        self.files = sorted(files)
        self.roots: list[str] = []
        self.modules: dict[str, str] = {}
        self.packages: set[str] = set()
        for root in roots:
            self.add_root(root)

    def add_root(self, root: str) -> bool:
        """Have modules be imported from one more directory; False if they already are."""
        if root in self.roots:
            return False
        self.roots.append(root)
        start = os.path.join(root, "")
        for path in self.files:
            name = module_name(path[len(start) :]) if path.startswith(start) else None
            if name is not None and not self._is_others(name.partition(".")[0], start):
                self.modules.setdefault(name, path)
                parts = name.split(".")
                self.packages.update(".".join(parts[:depth]) for depth in range(1, len(parts)))
                if os.path.basename(path) == "__init__.py":
                    self.packages.add(name)
        return True

    def _is_others(self, top: str, start: str) -> bool:
        place = start + top
        if top not in self._others:
            directory = os.path.isdir(place) and not os.path.isfile(os.path.join(place, "__init__.py"))
            single = any(os.path.isfile(place + suffix) for suffix in SUFFIXES)
            self._others[top] = directory and not single and self._elsewhere(top)
        return self._others[top]

    def named(self, text: str) -> Optional[str]:
        """The longest beginning of a dotted name that is a module or package of the application's own; None if none."""
        parts = text.split(".")
        for depth in range(len(parts), 0, -1):
            name = ".".join(parts[:depth])
            if name in self.modules or name in self.packages:
                return name
        return None

    def whole(self, name: str) -> list[str]:
        """A module; of a package, or of a module in one, the whole package."""
        top = name.partition(".")[0]
        if top not in self.packages:
            return [name] if name in self.modules else []
        return sorted(item for item in self.modules if item == top or item.startswith(top + "."))

    def matching(self, pattern: str) -> list[str]:
        """The modules whose names a regular expression describes."""
        return sorted(name for name in self.modules if re.fullmatch(pattern, name))
