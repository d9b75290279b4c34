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


def divided(path: str, modules: Iterable[tuple[str, Optional[str], str]], optimize: int) -> dict[str, CodeType]:
    """Return the code of both parts of a main script, by the modules' names. ``modules`` are all of the application's,
    as (name, source, type), one of which is run in place of a script that says so."""
    with open(path, "rb") as file:
        source = file.read()
    if path.endswith(PACKAGE_SCRIPT):
        match = MODULE.search(source.decode())
        found = [place for name, place, _ in modules if match and name == match[1] and place]
        if not found:
            return {}
        path = found[0]
        with open(path, "rb") as file:
            source = file.read()
    tree = ast.parse(source, path)
    end = boundary(tree.body)
    flags = _future_flags(tree.body[:end])
    before = ast.Module(tree.body[:end], tree.type_ignores)
    # A text that the rest begins with is not the module's documentation.
    behind = ast.Module([ast.copy_location(ast.Pass(), tree.body[0]), *tree.body[end:]] if tree.body else [], [])
    parts = {BEFORE: before, BEHIND: behind}
    return {
        name: compile(part, path, "exec", flags=flags, dont_inherit=True, optimize=optimize)
        for name, part in parts.items()
    }


def boundary(body: list[ast.stmt]) -> int:
    """Return how many of a script's statements are imports that it begins with: they have no effect but what their
    modules have. Among them are imports that are tried, and what stands for those that fail."""
    for index, statement in enumerate(body):
        if not (_is_import(statement) or (index == 0 and _is_text(statement))):
            return index
    return len(body)


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
