"""Runs under the Python of the build environment, before anything slow: which function starts the application, and
which files of its own it is made of.

Reads a request on stdin, prints one JSON object. The application's own sources are parsed, never run, so that a
syntax error is named here, with its file and line, and so that a module missing later can be traced to its import.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Optional

if TYPE_CHECKING:
    from entry_messages import EntryAnswer, EntryRequest


class Import(NamedTuple):
    """One import statement's module. ``certain`` means executed whenever the file is; what a statement imports from a
    module may be an attribute as well as a module."""

    module: str
    line: int
    certain: bool
    maybe_attribute: bool


class Sources(NamedTuple):
    """The application's own sources: its files, their certain imports as (module, file, line), and the directories of
    its packages."""

    files: list[str]
    imports: list[tuple[str, str, int]]
    packages: dict[str, str]


def console_scripts() -> dict[str, list[tuple[str, str]]]:
    """Every console script of the environment: name -> [(value, distribution), ...]."""
    found: dict[str, list[tuple[str, str]]] = {}
    for distribution in importlib.metadata.distributions():
        for entry in distribution.entry_points:
            if entry.group in ("console_scripts", "gui_scripts"):
                offers = found.setdefault(entry.name, [])
                offer = (entry.value.split("[")[0].strip(), distribution.metadata["Name"])
                if offer not in offers:
                    offers.append(offer)
    return found


def owner_of(module: str) -> Optional[str]:
    """The distribution that installed a module, or None."""
    path = module.replace(".", "/")
    for distribution in importlib.metadata.distributions():
        for entry in distribution.files or ():
            text = str(entry)
            if text.startswith(path + "/") or (text.startswith(path + ".") and "/" not in text[len(path) :]):
                return distribution.metadata["Name"]
    return None


def locate(module: str, roots: Iterable[str]) -> Optional[str]:
    """The file of a module below one of ``roots``, or None. Nothing is imported."""
    for root in roots:
        stem = os.path.join(root, *module.split("."))
        for candidate in (os.path.join(stem, "__init__.py"), stem + ".py"):
            if os.path.isfile(candidate):
                return candidate
    return None


def exists(module: str, roots: Sequence[str] = ()) -> bool:
    """Whether a module of that name can be found, below ``roots`` too, without importing its parents."""
    path: Optional[Sequence[str]] = [*roots, *sys.path]
    parts = module.split(".")
    for depth in range(len(parts)):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[: depth + 1]), path)
        if spec is None and depth == 0:
            # Built in, frozen, or known to a finder that an editable installation has brought.
            spec = importlib.util.find_spec(parts[0])
        if spec is None:
            return False
        path = spec.submodule_search_locations
        if path is None and depth + 1 < len(parts):
            return False
    return True


class Imports(ast.NodeVisitor):
    """Collects what a file imports."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.found: list[Import] = []
        self.depth = 0

    def nested(self, node: ast.AST) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = nested
    visit_If = visit_Try = visit_TryStar = visit_For = visit_While = visit_With = visit_Match = nested

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.found.append(Import(alias.name, node.lineno, not self.depth, False))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            parents = self.package.split(".") if self.package else []
            parents = parents[: len(parents) - (node.level - 1)]
            base = ".".join(parents + ([base] if base else []))
        if base:
            self.found.append(Import(base, node.lineno, not self.depth, False))
            for alias in node.names:
                self.found.append(Import(base + "." + alias.name, node.lineno, not self.depth, True))


def own_sources(path: str, name: str, roots: Sequence[str]) -> Sources:
    """Parse the file ``path`` of the module ``name`` and, through its imports, every file below ``roots`` that it
    reaches. Raises SyntaxError or ValueError for one that is executed for certain."""
    queue = [(path, name, True)]
    files: dict[str, bool] = {}
    imports: list[tuple[str, str, int]] = []
    packages: dict[str, str] = {}
    while queue:
        path, name, certain = queue.pop(0)
        if path in files and (files[path] or not certain):
            continue
        files[path] = certain
        with open(path, "rb") as file:
            text = file.read()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text, path)
        except (SyntaxError, ValueError):
            if certain:
                raise
            continue
        package = name if os.path.basename(path) == "__init__.py" else name.rpartition(".")[0]
        visitor = Imports(package)
        visitor.visit(tree)
        for item in visitor.found:
            if certain and item.certain and not item.maybe_attribute:
                imports.append((item.module, path, item.line))
            parts = item.module.split(".")
            for depth in range(1, len(parts) + 1):
                prefix = ".".join(parts[:depth])
                found = locate(prefix, roots)
                if found is not None:
                    queue.append((found, prefix, certain and item.certain))
                    top = locate(parts[0], roots)
                    if top and os.path.basename(top) == "__init__.py":
                        packages[parts[0]] = os.path.dirname(top)
    return Sources(sorted(files), imports, packages)


def answer(request: EntryRequest) -> EntryAnswer:
    sys.path[:0] = request["search"]
    roots = request["own"]
    module = attribute = distribution = metadata = None
    start = None
    if request["console_script"]:
        offers = console_scripts().get(request["console_script"], [])
        if request["distribution"]:
            offers = [offer for offer in offers if offer[1] == request["distribution"]] or offers
        if not offers:
            return {"error": "no console script", "known": sorted(console_scripts())}
        value, distribution = offers[0]
        module, _, attribute = value.partition(":")
    elif request["function"]:
        module, _, attribute = request["function"].partition(":")
        distribution = request["distribution"] or owner_of(module)
    if distribution:
        metadata = importlib.metadata.distribution(distribution).read_text("METADATA")
    if module is not None and attribute is not None:
        module, attribute = module.strip(), attribute.strip()
        if not exists(module):
            return {"error": "no module", "module": module}
        start, name = locate(module, roots), module
    elif request["package"]:
        name = request["package"] + ".__main__"
        start = os.path.join(roots[0], *name.split(".")) + ".py"
    else:
        start, name = request["script"], "__main__"
    try:
        sources = own_sources(start, name, roots) if start is not None else Sources([], [], {})
    except SyntaxError as error:
        # A null byte is a syntax error without a place in newer versions of Python.
        file, line = error.filename or start or "", error.lineno or 1
        return {"error": "syntax", "file": file, "line": line, "message": error.msg}
    except ValueError as error:
        return {"error": "syntax", "file": start or "", "line": 1, "message": str(error)}
    tops = {module.split(".")[0] for module, _, _ in sources.imports}
    return {
        "error": None,
        "module": module,
        "attribute": attribute,
        "distribution": distribution,
        "metadata": metadata,
        "files": sources.files,
        "imports": sources.imports,
        "packages": sources.packages,
        "missing": sorted(top for top in tops if not exists(top, roots)),
    }


def main() -> None:
    json.dump(answer(json.load(sys.stdin)), sys.stdout)


main()
