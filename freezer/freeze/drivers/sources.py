"""Which modules bring their source text, as files at the places that the modules say they come from.

The application's own do, for tracebacks, ``inspect``, ``doctest``, and decorators that read the functions they
decorate. Others do if their own package reads them: with ``inspect.getsource`` of a module of its own (execnet sends
itself to other machines so), or by decorators that compile or check from source. What else takes part in an
application is never read in practice, and would double the size of many.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional

import installed
import modulegraph_internals
import own_sources
import pyinstaller_internals as internals
from source_patterns import COMPILED_FROM_SOURCE, GETS_SOURCE

if TYPE_CHECKING:
    from freeze_messages import FreezeRequest

SOURCE = ".py"
PACKAGE_FILE = "__init__.py"


class SourceFiles:
    """Tells which modules of one request bring their source."""

    def __init__(self, request: FreezeRequest, inventory: installed.Inventory, own: own_sources.OwnSources) -> None:
        self._which = request["sources"]
        self._inventory = inventory
        self._own = own
        self._read: dict[str, bool] = {}

    def of(self, analysis: internals.Analysis) -> Iterator[tuple[str, str, str]]:
        """Return entries of data for an Analysis: (place in the bundle, source file, type)."""
        modules = {name: path for name, path, _ in analysis.pure}
        for name, path in sorted({**modulegraph_internals.base_modules(analysis.graph), **modules}.items()):
            if path and os.path.isabs(path) and path.endswith(SOURCE) and self._is_wanted(name, path):
                yield place(name, path), path, internals.DATA_FILE

    def main_script(self, name: str, path: str) -> list[tuple[str, str, str]]:
        """Return the entry for the main script, which is beside the modules as the file ``name``; none if it is not the
        application's."""
        return [(name, path, internals.DATA_FILE)] if self._is_wanted(os.path.splitext(name)[0], path) else []

    def _is_wanted(self, name: str, path: str) -> bool:
        if self._which != "own":
            return self._which == "all"
        return self._own.has_code(path) or self._reads_itself(name)

    def _reads_itself(self, name: str) -> bool:
        package = self._package_of(name)
        if package is None:
            return False
        if package.name not in self._read:
            self._read[package.name] = reads_own_source(package)
        return self._read[package.name]

    def _package_of(self, module: str) -> Optional[installed.Package]:
        while module and module not in self._inventory.packages:
            module = module.rpartition(".")[0]
        return self._inventory.packages.get(module)


def place(name: str, path: str) -> str:
    """Return the place of a module's source in the bundle."""
    folder = name.replace(".", os.sep)
    return os.path.join(folder, PACKAGE_FILE) if os.path.basename(path) == PACKAGE_FILE else folder + SOURCE


def main_file(analysis: internals.Analysis, path: str) -> str:
    """Return the name of the main script's file in the bundle: its own, whatever the suffix, if no directory there has
    that name. A script without a suffix is often called like the package that it starts."""
    name = os.path.basename(path)
    modules = modulegraph_internals.base_modules(analysis.graph)
    modules.update((name, path or "") for name, path, _ in analysis.pure)
    packages = {name for name, path in modules.items() if os.path.basename(path) == PACKAGE_FILE}
    folders = {place.partition(os.sep)[0] for place, _, _ in [*analysis.datas, *analysis.binaries] if os.sep in place}
    above = {module.partition(".")[0] for module in modules if "." in module}
    return name + SOURCE if name in packages | folders | above else name


def reads_own_source(package: installed.Package) -> bool:
    """Whether the code of a package reads sources of the same package, or has functions that others read."""
    if COMPILED_FROM_SOURCE.search(package.text):
        return True
    modules = {os.path.basename(path)[: -len(SOURCE)].encode() for path in package.files if path.endswith(SOURCE)}
    return any(match.group(1) in modules for match in GETS_SOURCE.finditer(package.text))
