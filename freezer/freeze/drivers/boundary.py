"""Divides a main script's code behind the imports that it begins with.

A memory snapshot of the application is taken there (freezer/freeze/runtime/_freezer_snapshot.py). The script's syntax
tree is divided, and both parts are compiled, with the lines that they have in the file: so tracebacks, and whoever
reads the source, see the script as it is.
"""

from __future__ import annotations
import __future__

import ast
import re
from collections.abc import Iterable
from types import CodeType
from typing import Optional

BEFORE, BEHIND = "_freezer_before_boundary", "_freezer_behind_boundary"
"""The modules that the parts are stored as."""

PACKAGE_SCRIPT = "_freezer_package.py"
"""The end of the path of a script that only says which module of a package to run."""
MODULE = re.compile(r'^ *MODULE = "([^"]+)"$', re.MULTILINE)


def source_of(path: str, modules: Iterable[tuple[str, Optional[str], str]]) -> Optional[str]:
    """Return the source that a main script's code is in, None if there is none. ``modules`` are all of the
    application's, as (name, source, type), one of which is run in place of a script that says so."""
    if not path.endswith(PACKAGE_SCRIPT):
        return path
    with open(path, "rb") as file:
        match = MODULE.search(file.read().decode())
    return next((place for name, place, _ in modules if match and name == match[1] and place), None)


def divided(path: str, behind: Iterable[str], saved: Iterable[str], optimize: int) -> dict[str, CodeType]:
    """Return the code of both parts of a main script, by the modules' names. The modules ``behind``, and what is in
    them, are imported in the second; at its end, the first imports those that are to be ``saved``, and names nothing
    for it."""
    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    end = boundary(tree.body, tuple(behind))
    flags = _future_flags(tree.body[:end])
    # A text that the rest begins with is not the module's documentation.
    rest = [ast.copy_location(ast.Pass(), tree.body[0]), *tree.body[end:]] if tree.body else []
    first = [*tree.body[:end], *map(_import, saved)]
    parts = {BEFORE: ast.Module(first, tree.type_ignores), BEHIND: ast.Module(rest, [])}
    return {
        name: compile(part, path, "exec", flags=flags, dont_inherit=True, optimize=optimize)
        for name, part in parts.items()
    }


def boundary(body: list[ast.stmt], behind: tuple[str, ...] = ()) -> int:
    """Return how many of a script's statements are imports that it begins with: they have no effect but what their
    modules have. Among them are imports that are tried, and what stands for those that fail. The first import of a
    module ``behind``, or of one in it, is the first that does not count."""
    for index, statement in enumerate(body):
        if not (_is_import(statement) or (index == 0 and _is_text(statement))):
            return index
        if any(_imports(node, name) for node in ast.walk(statement) for name in behind):
            return index
    return len(body)


def _import(name: str) -> ast.stmt:
    """The import of a module, on the first line."""
    return ast.parse(f"__import__({name!r})").body[0]


def _imports(node: ast.AST, name: str) -> bool:
    """Whether a node is an import of a module, of one in it, or of what may be one."""
    if isinstance(node, ast.Import):
        return any((alias.name + ".").startswith(name + ".") for alias in node.names)
    if not isinstance(node, ast.ImportFrom):
        return False
    found = [".".join(filter(None, (node.module, alias.name))) for alias in node.names]
    # In which package a relative import is, is not known here: so each end of the name may be meant.
    words = name.split(".")
    ends = [".".join(words[at:]) for at in range(len(words) if node.level else 1)]
    return any((item + ".").startswith(end + ".") for item in found for end in ends)


def _is_import(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Try):
        handled = [part for handler in statement.handlers for part in handler.body]
        rest = [*statement.orelse, *statement.finalbody]
        return all(map(_is_import, statement.body)) and all(
            _is_import(part) or _is_plain(part) for part in handled + rest
        )
    return isinstance(statement, (ast.Import, ast.ImportFrom))


def _is_plain(statement: ast.stmt) -> bool:
    """Whether it does nothing, or gives names constant values."""
    if isinstance(statement, ast.Assign):
        names = all(isinstance(target, ast.Name) for target in statement.targets)
        return names and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _future_flags(statements: list[ast.stmt]) -> int:
    """Return the compiler's flags for what is imported from ``__future__``, which holds for the rest, too."""
    flags = 0
    for statement in statements:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            for name in statement.names:
                flags |= getattr(__future__, name.name).compiler_flag
    return flags
