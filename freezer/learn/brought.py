"""What a build brings by its rules: the frozen application with all that it needs, before anything is learned."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from freezer.application.entry import Application
from freezer.base.places import walk
from freezer.closure.close import ClosedApp


@dataclass(frozen=True)
class Brought:
    """The names of all ``modules``, the real paths of the ``sources`` that went in, the names of all files and
    ``libraries`` in the tree, and the directory ``contents`` that they are placed in."""

    modules: frozenset[str]
    sources: frozenset[str]
    libraries: frozenset[str]
    contents: Path

    def has(self, place: str) -> bool:
        """Tell whether there is a file or directory at a place in the bundle."""
        return os.path.lexists(self.contents / place)

    def has_top(self, module: str) -> bool:
        """Tell whether anything of a module's top-level package is there."""
        top = module.partition(".")[0]
        return any(name == top or name.startswith(top + ".") for name in self.modules)


def brought_by(closed: ClosedApp, application: Application) -> Brought:
    """Return what a closed bundle has."""
    frozen = closed.frozen
    sources = (*frozen.sources, *application.own_files, application.script)
    names = {name for _, _, files in walk(frozen.tree) for name in files}
    return Brought(
        modules=frozen.modules,
        sources=frozenset(map(path_without_links, map(str, sources))),
        libraries=frozenset(names | set(closed.libraries)),
        contents=frozen.contents,
    )


def path_without_links(path: str) -> str:
    """Return a path without links in its directories."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)
