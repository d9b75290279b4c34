"""Runs a program of the toolchain: PyInstaller's, or one of freezer's drivers, with modules that nothing else sees.

The arguments are the toolchain's directory, the program, and the program's own; "-c" with a text is a program, too.

PyInstaller's own processes look at what the application could import, and import some of it. So the toolchain is not on
the search path. Its code, to which the drivers in this directory count, has an ``__import__`` of its own: while an
import statement runs, its modules are in ``sys.modules``, in place of those of the application with the same names;
afterwards they are kept elsewhere. The application's code, and what the toolchain asks ``importlib`` for, finds the
application's modules alone.
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Optional

SOURCE = ".py"
WATCHED = "FREEZER_OWN_SOURCES"
"""The variable of a process that is to notice whether it runs the application's own code; see ``own_runs``."""


class OwnLoader(importlib.machinery.SourceFileLoader):
    """Loads a module whose code has the given builtins."""

    def __init__(self, name: str, path: str, own: Mapping[str, Any]) -> None:
        super().__init__(name, path)
        self._own = own

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        module.__dict__["__builtins__"] = self._own
        super().exec_module(module)


def load_source(name: str, path: str) -> ModuleType:
    """Make a module of a file, with the imports that this module has here."""
    module = ModuleType(name)
    module.__file__ = path
    OwnLoader(name, path, globals()["__builtins__"]).exec_module(module)
    return module


class OwnImports:
    """The imports of code that may import from ``places``, directories of which the rest of the process knows nothing.

    Code has them that runs with the names in ``builtins``; what it imports from there has them as well.
    """

    def __init__(self, *places: str) -> None:
        self.places = places
        self.names = frozenset(name for place in places for name in _top_level(place))
        self.builtins = {**vars(builtins), "__import__": self._import}
        self._kept: dict[str, ModuleType] = {}
        self._shown = False

    def find_spec(
        self, name: str, path: Optional[Sequence[str]] = None, _target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """Find a module in the places, as a finder of ``sys.meta_path``."""
        if name.partition(".")[0] not in self.names:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, self.places if path is None else path)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = OwnLoader(name, spec.loader.path, self.builtins)
        return spec

    def _import(
        self,
        name: str,
        names: Optional[Mapping[str, object]] = None,
        local: Optional[Mapping[str, object]] = None,
        fromlist: Optional[Sequence[str]] = (),
        level: int = 0,
    ) -> ModuleType:
        """Do what an import statement in the code says, which gives its ``names``; ``__import__("name")`` gives none,
        and is how PyInstaller imports what it analyses."""
        package = str((names or {}).get("__package__") or "") if level else name
        if names is None or package.partition(".")[0] not in self.names:
            return builtins.__import__(name, names, local, fromlist or (), level)
        with self._showing():
            return builtins.__import__(name, names, local, fromlist or (), level)

    @contextlib.contextmanager
    def _showing(self) -> Iterator[None]:
        if self._shown:
            yield
            return
        hidden = self._take()
        sys.modules.update(self._kept)
        # What is imported may ask for its own version, which importlib.metadata looks for on the search path.
        search = list(self.places)
        sys.path[:0] = search
        sys.meta_path.insert(0, self)
        self._shown = True
        try:
            yield
        finally:
            self._shown = False
            sys.meta_path.remove(self)
            for place in search:
                sys.path.remove(place)
            self._kept = self._take()
            sys.modules.update(hidden)

    def _take(self) -> dict[str, ModuleType]:
        """Take the modules with own names out of ``sys.modules``."""
        found = [name for name in sys.modules if name.partition(".")[0] in self.names]
        return {name: sys.modules.pop(name) for name in found}


def _top_level(place: str) -> Iterator[str]:
    """The names of the modules and packages in a directory."""
    for name in os.listdir(place):
        if name.endswith(SOURCE) and name != "__init__.py":
            yield name[: -len(SOURCE)]
        elif os.path.isfile(os.path.join(place, name, "__init__.py")):
            yield name


def keep_bytecode_of(place: str) -> None:
    """Keep the bytecode of modules that are imported from a directory, an environment that was installed without: hooks
    import few of its packages, but the same ones at each build. Nothing is written beside any other module."""
    write = importlib.machinery.SourceFileLoader.set_data

    def set_data(self: importlib.machinery.SourceFileLoader, path: str, data: bytes, **options: int) -> None:
        if path.startswith(os.path.join(place, "")):
            write(self, path, data, **options)

    sys.dont_write_bytecode = False
    importlib.machinery.SourceFileLoader.set_data = set_data  # type: ignore[method-assign,assignment]


def main() -> None:
    here = os.path.dirname(os.path.realpath(__file__))
    toolchain = sys.argv[1]
    # The directory of this file, which the interpreter has put first, is nothing that applications may import from.
    sys.path[:] = [place for place in sys.path if os.path.realpath(place) != here]
    if sys.prefix != sys.base_prefix:
        keep_bytecode_of(sys.prefix)
    if WATCHED in os.environ:
        load_source("own_runs", os.path.join(here, "own_runs.py")).notice()
    sys.argv[:] = sys.argv[2:]
    program = sys.argv[0]
    if program == "-c":
        text: Any = sys.argv.pop(1)
        sys.path.insert(0, "")
    else:
        with open(program, "rb") as file:
            text = file.read()
    code = compile(text, program, "exec", dont_inherit=True)
    own = OwnImports(toolchain, here)
    exec(code, {"__name__": "__main__", "__file__": program, "__builtins__": own.builtins})


if __name__ == "__main__":
    main()
