"""Marks where the imports end that a main script begins with.

A memory snapshot of the application is taken there (freezer/freeze/runtime/_freezer_boundary.py). The mark is put into
the script's syntax tree, and all lines stay what they are in the file: so tracebacks, and whoever reads the source, see
the script as it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from types import CodeType
from typing import Optional

MARKED = "_freezer_marked_script"
"""The module that the code with the mark is stored as."""
MARK = "_freezer_boundary()"
"""What is called there; no name of the script's own, which would not be one of the builtins."""

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


def marked(path: str, optimize: int) -> CodeType:
    """Return the code of a main script, with the mark."""
    with open(path, "rb") as file:
        tree = ast.parse(file.read(), path)
    end = boundary(tree.body)
    mark = ast.parse(MARK).body[0]
    near = tree.body[min(end, len(tree.body) - 1)] if tree.body else mark
    for node in ast.walk(mark):
        ast.copy_location(node, near)
    tree.body.insert(end, mark)
    return compile(tree, path, "exec", dont_inherit=True, optimize=optimize)


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
