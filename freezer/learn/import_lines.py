"""Which lines of a source are import statements: what these ask for, PyInstaller sees by itself."""

from __future__ import annotations

import ast


class ImportLines:
    """Tells for sources, each of which is parsed once."""

    def __init__(self) -> None:
        self._known: dict[str, frozenset[int]] = {}

    def has(self, path: str, line: int) -> bool:
        """Tell whether a line belongs to an import statement; False for a source that cannot be read."""
        if path not in self._known:
            self._known[path] = _lines(path)
        return line in self._known[path]


def _lines(path: str) -> frozenset[int]:
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return frozenset()
    statements = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return frozenset(line for node in statements for line in range(node.lineno, (node.end_lineno or node.lineno) + 1))
