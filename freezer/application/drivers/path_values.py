"""What an expression for a path stands for, worked out from the text of a source alone.

Applications say where their files are by ``__file__`` and constants: ``os.path.join(os.path.dirname(__file__),
"lib")``, ``Path(__file__).resolve().parent / "lib"``, ``BASE_DIR / "lib"``. Nothing is run; what is computed otherwise
is unknown.
"""

from __future__ import annotations

import ast
import os
from typing import Optional

SAME = frozenset(("abspath", "realpath", "normpath", "expanduser", "fspath", "str", "resolve", "absolute"))
"""Functions and methods whose value is the path that they are given."""
SAME_METHODS = frozenset(("resolve", "absolute", "as_posix", "expanduser", "__str__"))
JOINS = frozenset(("join", "joinpath", "Path", "PurePath"))


class PathValues:
    """The values of the expressions of one source; ``path`` is its file."""

    def __init__(self, tree: ast.AST, path: str) -> None:
        self.path = path
        self.names: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                value = self.value(node.value)
                if value is not None:
                    self.names.setdefault(node.targets[0].id, value)

    def value(self, node: ast.expr) -> Optional[str]:
        """The path, or the piece of one, that an expression stands for; None if that is unknown."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self.path if node.id == "__file__" else self.names.get(node.id)
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Div)):
            left, right = self.value(node.left), self.value(node.right)
            if left is None or right is None:
                return None
            return left + right if isinstance(node.op, ast.Add) else os.path.join(left, right)
        if isinstance(node, ast.JoinedStr):
            return self._joined(
                [item.value if isinstance(item, ast.FormattedValue) else item for item in node.values], ""
            )
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            inner = self.value(node.value)
            return None if inner is None else os.path.dirname(inner)
        if isinstance(node, ast.Subscript):
            return self._of_parents(node)
        return self._called(node) if isinstance(node, ast.Call) else None

    def directory(self, node: ast.expr) -> Optional[str]:
        """The absolute directory that an expression stands for, if it exists."""
        value = self.value(node)
        if value is None:
            return None
        value = os.path.normpath(value)
        return value if os.path.isabs(value) and os.path.isdir(value) else None

    def _joined(self, parts: list[ast.expr], between: str) -> Optional[str]:
        values = [self.value(part) for part in parts]
        known = [value for value in values if value is not None]
        if not values or len(known) < len(values):
            return None
        return os.path.join(*known) if between else "".join(known)

    def _of_parents(self, node: ast.Subscript) -> Optional[str]:
        """``Path(__file__).parents[1]``."""
        index = node.slice
        if not (isinstance(node.value, ast.Attribute) and node.value.attr == "parents"):
            return None
        inner = self.value(node.value.value)
        if inner is None or not (isinstance(index, ast.Constant) and isinstance(index.value, int) and index.value >= 0):
            return None
        for _ in range(index.value + 1):
            inner = os.path.dirname(inner)
        return inner

    def _called(self, node: ast.Call) -> Optional[str]:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if isinstance(function, ast.Attribute) and not node.args and name in SAME_METHODS:
            return self.value(function.value)
        if isinstance(function, ast.Attribute) and name in ("joinpath", "with_name") and node.args:
            base = self.value(function.value)
            if base is not None:
                rest = self._joined(list(node.args), os.sep)
                start = os.path.dirname(base) if name == "with_name" else base
                return None if rest is None else os.path.join(start, rest)
        if name == "dirname" and len(node.args) == 1:
            inner = self.value(node.args[0])
            return None if inner is None else os.path.dirname(inner)
        if name in JOINS and node.args:
            return self._joined(list(node.args), os.sep)
        return self.value(node.args[0]) if name in SAME and len(node.args) == 1 else None
