"""What an application is made of that is its own: the modules that its sources import or name, and the files that they
read.

The sources are parsed, never run. From the entry on, each one is visited that another imports or names; what
``own_rules`` find in it is looked up on the application's ground (``Ground``), until nothing new comes.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Optional

from foreign_modules import ForeignModules, is_elsewhere
from own_files import OwnFiles
from own_index import OwnIndex
from own_rules import named_in
from parsed_source import Named, Source

if TYPE_CHECKING:
    from entry_messages import GroundRequest

INIT = "__init__.py"


class Import(NamedTuple):
    """One import statement's module. ``certain`` means executed whenever the file is; what a statement imports from a
    module may be an attribute as well as a module."""

    module: str
    line: int
    certain: bool
    maybe_attribute: bool


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


def locate(module: str, roots: Iterable[str]) -> Optional[str]:
    """The file of a module below one of ``roots``, or None. Nothing is imported."""
    for root in roots:
        stem = os.path.join(root, *module.split("."))
        for candidate in (os.path.join(stem, INIT), stem + ".py"):
            if os.path.isfile(candidate):
                return candidate
    return None


class OwnParts:
    """The parts that come of one entry.

    ``visited`` are the sources, each with whether it is executed for certain; ``imports`` their certain imports as
    (module, file, line); ``packages`` the directories of the packages; ``modules`` the modules that nothing imports
    visibly, with the reason why they come along; ``search`` the directories that the code adds to ``sys.path``.
    """

    def __init__(self, ground: GroundRequest, roots: Sequence[str]) -> None:
        self.ground = ground
        self.named = ground["own"] != "none"
        self.index = OwnIndex(ground["code"] if self.named else (), roots, is_elsewhere)
        self.files = OwnFiles(ground, self.index)
        self.foreign = ForeignModules(self.index)
        self.visited: dict[str, bool] = {}
        self.imports: list[tuple[str, str, int]] = []
        self.packages: dict[str, str] = {}
        self.modules: dict[str, str] = {}
        self.search: list[str] = []
        self._roots = list(roots)
        self._names: dict[str, str] = {}
        self._start = ""
        self._queue: list[tuple[str, str, bool]] = []
        self._wishes: dict[tuple[Named, str, str], None] = {}

    def visit(self, path: str, name: str) -> None:
        """Visit the file ``path`` of the module ``name``, and all that it leads to. Raises SyntaxError or ValueError
        for one that is executed for certain."""
        self._start = path
        self._queue.append((path, name, True))
        while self._queue or self._grant():
            path, name, certain = self._queue.pop(0)
            if path in self.visited and (self.visited[path] or not certain):
                continue
            again = path in self._names
            self.visited[path] = certain
            self._names.setdefault(path, name)
            package = name if os.path.basename(path) == INIT else name.rpartition(".")[0]
            try:
                with open(path, "rb") as file:
                    source = Source(path, name, package, file.read())
            except (SyntaxError, ValueError, RecursionError, OSError):
                if certain:
                    raise
                continue
            self._follow(source, certain)
            if not again:
                self._wishes.update(dict.fromkeys((item, path, self.files.shown(path)) for item in named_in(source)))

    def _follow(self, source: Source, certain: bool) -> None:
        """Follow a source's import statements."""
        visitor = Imports(source.package)
        visitor.visit(source.tree)
        alone = source.path in self.files.sources
        for item in visitor.found:
            if certain and item.certain and not item.maybe_attribute:
                self.imports.append((item.module, source.path, item.line))
            parts = item.module.split(".")
            own = False
            for depth in range(1, len(parts) + 1):
                prefix = ".".join(parts[:depth])
                found = locate(prefix, self._roots)
                if found is not None:
                    own = True
                    self._queue.append((found, prefix, certain and item.certain))
                    top = locate(parts[0], self._roots)
                    if top and os.path.basename(top) == INIT:
                        self.packages[parts[0]] = os.path.dirname(top)
            if own or parts[0] in self.index.packages:
                self._reach(parts[0], "part of the package " + parts[0], only_packages=True)
            elif alone:
                self.foreign.add(item.module, sure=True)

    def _reach(self, name: str, why: str, only_packages: bool = False) -> None:
        """Take a module of the application's own; of a package everything."""
        top = name.partition(".")[0]
        if only_packages and top not in self.index.packages:
            return
        if top not in self.index.modules and any(os.path.join(root, top) in self._roots for root in self._roots):
            # A mere directory that modules are searched in; a script may be in a regular package.
            return
        for module in self.index.whole(name):
            path = self.index.modules[module]
            if module not in self.modules:
                self.modules[module] = why
                if path.endswith(".py"):
                    self._queue.append((path, module, False))
        if top in self.index.packages and top not in self.packages:
            place = next((p for root in self._roots if os.path.isdir(p := os.path.join(root, top))), None)
            if place is not None:
                self.packages[top] = place

    def _grant(self) -> bool:
        """Look up all that is named; return whether that leads to more sources."""
        for item, _, _ in self._wishes:
            if item.kind == "search" and item.text not in self._roots and self._in_project(item.text):
                self._roots.append(item.text)
                self.search.append(item.text)
                self.index.add_root(item.text)
                # What was looked for in vain may be there.
                self._queue += [(file, self._names[file], certain) for file, certain in self.visited.items()]
                self.visited.clear()
                self.imports.clear()
        if self._queue:
            return True
        if self.named:
            # Whether the code asks for its place decides what a word means.
            for item, path, shown in sorted(self._wishes, key=lambda wish: wish[0].kind != "place"):
                self._grant_named(item, path, "%s:%d" % (shown, item.line))
            for text, shown in self.files.settle(self.packages):
                module, colon, _ = text.partition(":")
                self._grant_named(Named("object" if colon else "module", module, 0), shown, shown)
            for path in sorted(self.files.sources):
                if path not in self.visited:
                    self._queue.append((path, os.path.basename(path)[:-3], False))
        return bool(self._queue)

    def _in_project(self, place: str) -> bool:
        project = self.ground["project"]
        return project is None or place == project or place.startswith(os.path.join(project, ""))

    def _grant_named(self, item: Named, path: str, where: str) -> None:
        if item.kind in ("module", "object", "package"):
            own = self.index.named(item.text)
            if own is None:
                self.foreign.add(item.text, sure=item.sure, whole=item.kind == "package")
            elif item.kind != "module" or item.sure or self.index.modules.get(own) != self._start:
                self._reach(own, "named at " + where)
        elif item.kind == "pattern":
            for module in self.index.matching(item.text):
                if self.index.modules[module] != self._start:
                    self._reach(module, "its name may be computed at " + where)
        elif item.kind != "search":
            self.files.take(item, path, where)
