"""Which modules bring their source text, as files at the places that the modules say they come from.

The application's own do, for tracebacks, ``inspect``, ``doctest``, and decorators that read the functions they
decorate. Others do if their own package reads them: with ``inspect.getsource`` of a module of its own (execnet sends
itself to other machines so), or of the modules that call it (anyio finds out so what it may import late, and imports
all at once without), or by decorators that compile or check from source. What else takes part in an application is
never read in practice, and would double the size of many.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional

import installed
import modulegraph_internals
import own_sources
import pyinstaller_internals as internals
from source_patterns import COMPILED_FROM_SOURCE, GETS_SOURCE, GETS_SOURCE_OF_CALLER, any_word

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
        self._readers: dict[str, Optional[re.Pattern[bytes]]] = {}

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
        return self._own.has_code(path) or self._is_read(name, path)

    def _is_read(self, name: str, path: str) -> bool:
        """Whether the text of a module is of those that something in its own package reads."""
        package = self._package_of(name)
        if package is None:
            return False
        if package.name not in self._readers:
            self._readers[package.name] = read_modules(package)
        readers = self._readers[package.name]
        return readers is not None and readers.search(installed.contents(path)) is not None

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


def read_modules(package: installed.Package) -> Optional[re.Pattern[bytes]]:
    """Return what stands in those modules of a package whose sources the package itself reads. That is nothing, so all
    of them, if it has functions that others read, or gets the source of one of its modules by name; and the names of
    the modules that get the source of their callers."""
    names = {module_name(path) for path in package.files if path.endswith(SOURCE)}
    if COMPILED_FROM_SOURCE.search(package.text):
        return re.compile(b"")
    if any(match.group(1).decode() in names for match in GETS_SOURCE.finditer(package.text)):
        return re.compile(b"")
    if not GETS_SOURCE_OF_CALLER.search(package.text):
        return None
    files = (path for path in package.files if path.endswith(SOURCE))
    readers = {module_name(path) for path in files if GETS_SOURCE_OF_CALLER.search(installed.contents(path))}
    return any_word(readers)


def module_name(path: str) -> str:
    """Return the last part of a module's name."""
    folder, name = os.path.split(path)
    return os.path.basename(folder) if name == PACKAGE_FILE else name[: -len(SOURCE)]
