"""One source file of the application's own, as the rules of ``own_rules`` read it, and what they find in it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from typing import NamedTuple, Optional

from path_values import PathValues

IMPORTS_BY_NAME = frozenset(
    "import_module __import__ import_string import_object import_from_string find_spec load_module load_object "
    "locate run_module symbol_by_name import_optional_dependency".split()
)
"""Functions that import the module that their first argument names."""


class Named(NamedTuple):
    """Something that a source names, in a line of it.

    ``kind`` says what ``text`` is: a "module" or an "object" in one, of which the longest beginning that is a module
    counts; a "pattern" for the names of modules; a "package" of which everything is wanted; a "file" or directory by
    its relative path; "files" by a pattern as shells have it; a directory to "search" modules in; the way in which the
    source asks for the "place" of its own files; or the function by which it is "listing" directories. ``sure`` says
    that nothing but a module can be meant, so that it may be anybody's.
    """

    kind: str
    text: str
    line: int
    sure: bool = False


class Source:
    """A parsed source. ``name`` is its module's, ``package`` the package that it is in."""

    def __init__(self, path: str, name: str, package: str, text: bytes) -> None:
        """Parse it. Raises SyntaxError or ValueError."""
        self.path = path
        self.name = name
        self.package = package
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.tree = ast.parse(text, path)
        self.nodes = list(ast.walk(self.tree))
        self.calls = [node for node in self.nodes if isinstance(node, ast.Call)]
        self.paths = PathValues(self.tree, path)
        self._unread = _docstrings(self.nodes) | _written(self.calls)

    def strings(self) -> Iterator[tuple[str, int]]:
        """All string constants with their lines, but for documentation and the names of files to write."""
        for node in self.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in self._unread:
                yield node.value, node.lineno


def called(node: ast.Call) -> str:
    """The last name of what is called: "insert" for ``sys.path.insert(0, x)``."""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def dotted(node: Optional[ast.AST]) -> str:
    """An expression of names alone as its text, "sys.path"; else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return start and start + "." + node.attr
    return ""


def argument(node: ast.Call, position: int, name: str) -> Optional[ast.expr]:
    """An argument by its position or its name."""
    if len(node.args) > position:
        return node.args[position]
    return next((item.value for item in node.keywords if item.arg == name), None)


def _docstrings(nodes: list[ast.AST]) -> set[int]:
    return {id(node.value) for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}


def _written(calls: list[ast.Call]) -> set[int]:
    """The names of files that are opened to be written: what an earlier run has left there is no input."""
    found = set()
    for node in calls:
        mode = argument(node, 1, "mode") if called(node) == "open" else None
        if node.args and isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax"):
            found |= {id(item) for item in ast.walk(node.args[0])}
    return found
