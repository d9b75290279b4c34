"""The internals of modulegraph that freezer relies on, under names of freezer's own: the library, a part of
PyInstaller, that follows the imports of all modules.

As for ``pyinstaller_internals``: none of them is documented; each has a test in
tests/programs/freeze/test_modulegraph_internals.py, which says what would break; and they are imported when they are
used.
"""

from __future__ import annotations

import ast
import contextlib
import os
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType
from typing import Any, Optional, Union

from content_memory import ContentMemory, renamed, same_code

SCAN = "scan"
"""The kind of analysis that is kept of a source: its code, its imports and the names that it binds."""


class KnownModule(ast.Module):
    """Stands for the syntax tree of a source that was analysed before: its code, under any file name, its imports, and
    the names that it binds."""

    def __init__(self, code: CodeType, imports: list[Any], names: list[str]) -> None:
        super().__init__(body=[], type_ignores=[])
        self.code = code
        self.imports = imports
        self.names = names


def find_elsewhere(places: Mapping[str, str]) -> None:
    """Have top-level modules be found in the directories that ``places`` has for their names, and nowhere else: the
    graph binds 163 modules of the standard library before it knows where the application's are."""
    from PyInstaller import compat
    from PyInstaller.depend.analysis import PyiModuleGraph

    find, analyze = PyiModuleGraph._find_module, PyiModuleGraph._analyze_base_modules

    def find_module(self: Any, name: str, path: Any, parent: Any = None) -> Any:
        return find(self, name, [places[name]] if parent is None and name in places else path, parent)

    def analyze_base_modules(self: Any) -> None:
        analyze(self)
        self._base_modules = [node for node in self._base_modules if node.identifier.partition(".")[0] not in places]

    if places:
        PyiModuleGraph._find_module, PyiModuleGraph._analyze_base_modules = find_module, analyze_base_modules
        compat.PY3_BASE_MODULES -= set(places)


def base_modules(graph: Any) -> dict[str, str]:
    """The modules that are in the archive of the standard library's first modules: names, and their files."""
    return {node.identifier: node.filename or "" for node in graph._base_modules}


def list_base_packages() -> None:
    """Have the submodules of the standard library's first packages listed here: their directories have them all, and
    PyInstaller and its hooks would import each package in a process of its own to ask."""
    from PyInstaller import compat
    from PyInstaller.depend import analysis
    from PyInstaller.utils import hooks

    collect = hooks.collect_submodules
    library = os.path.dirname(os.path.abspath(os.__file__))

    def collect_submodules(package: str, *arguments: Any, **options: Any) -> list[str]:
        place = os.path.join(library, package)
        if package not in compat.PY3_BASE_MODULES or arguments or options or not os.path.isdir(place):
            found: list[str] = collect(package, *arguments, **options)
            return found
        return sorted(_listed(package, place))

    analysis.collect_submodules = hooks.collect_submodules = collect_submodules


def _listed(package: str, place: str) -> Iterator[str]:
    """A package in the directory ``place``, and all modules below it."""
    yield package
    for item in pkgutil.iter_modules([place]):
        name = "%s.%s" % (package, item.name)
        if item.ispkg:
            yield from _listed(name, os.path.join(place, item.name))
        else:
            yield name


def remember_scans(memory: ContentMemory) -> None:
    """Have each source scanned once: four fifths of what an analysis takes is to compile the same sources, and to look
    at each instruction for the names that they bind."""
    from PyInstaller.depend.analysis import PyiModuleGraph
    from PyInstaller.lib.modulegraph import modulegraph

    scan = PyiModuleGraph._scan_code
    keys: dict[int, tuple[ast.AST, str]] = {}

    def compile_once(
        source: Any, filename: str, mode: str, flags: int = 0, dont_inherit: bool = False
    ) -> Union[CodeType, ast.AST]:
        if isinstance(source, KnownModule):
            return renamed(source.code, filename)
        if flags != ast.PyCF_ONLY_AST:
            result: Union[CodeType, ast.AST] = compile(source, filename, mode, flags, dont_inherit)
            return same_code(result) if isinstance(result, CodeType) else result
        key = memory.key(SCAN, source)
        found = memory.get(key)
        if found is not None:
            return KnownModule(*found)
        tree: ast.AST = compile(source, filename, mode, flags, dont_inherit)
        # The tree is kept with its key, so that no other one gets its address.
        keys[id(tree)] = tree, key
        return tree

    def scan_code(self: Any, module: Any, code: CodeType, tree: Optional[ast.AST] = None) -> Any:
        if isinstance(tree, KnownModule):
            module._deferred_imports = [_import(modulegraph, module, item) for item in tree.imports]
            module._global_attr_names.update(tree.names)
            return module
        fresh = not module._global_attr_names
        scan(self, module, code, tree)
        _, key = keys.pop(id(tree), (None, None))
        if key is not None and fresh:
            imports = [_plain_import(item) for item in module._deferred_imports]
            memory.put(key, (code, imports, sorted(module._global_attr_names)))
        return module

    modulegraph.compile = compile_once
    PyiModuleGraph._scan_code = scan_code


def _plain_import(item: Any) -> tuple[bool, str, Optional[list[str]], int, tuple[bool, bool, bool, bool]]:
    """An import that is to be followed, as values: whether all names are wanted, the module, the names, the level, and
    the kind of its edge."""
    star, (name, _module, names, level), options = item
    edge = options["edge_attr"]
    return star, name, names, level, (edge.conditional, edge.function, edge.tryexcept, edge.fromlist)


def _import(modulegraph: Any, module: Any, plain: Any) -> Any:
    """The import of a module that ``_plain_import`` made values of."""
    star, name, names, level, (conditional, function, tryexcept, fromlist) = plain
    edge = modulegraph.DependencyInfo(
        conditional=conditional, function=function, tryexcept=tryexcept, fromlist=fromlist
    )
    return star, (name, module, names, level), {"edge_attr": edge}


def scan(names: Iterable[str]) -> None:
    """Build a graph of modules, and of all that they import, for nothing but what is remembered of their scans."""
    from PyInstaller.depend.analysis import PyiModuleGraph

    class Graph(PyiModuleGraph):  # type: ignore[misc]
        def _cache_hooks(self, _kind: str) -> dict[str, Any]:
            return {}  # what hooks add is nothing of a source

    graph = Graph(os.devnull, excludes=("__main__",))
    for name in names:
        with contextlib.suppress(ImportError):
            graph.import_hook(name)
