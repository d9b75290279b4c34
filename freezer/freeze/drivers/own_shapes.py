"""The shape of a source: all of it that an analysis depends on.

Two contents of one file with one shape lead to the same application, but for the code of this module.

PyInstaller's analysis sees of a source its import statements, each with what is around it, and the names that it binds;
and, where the source imports a module of ``ASKED``, the calls with literals in them, such as ``CDLL("libx.so")``.
freezer's own rules see what ``source_patterns`` match, and names of groups of entry points.
"""

from __future__ import annotations

import ast
import dis
import hashlib
from collections.abc import Iterator, Sequence
from types import CodeType

from source_patterns import PATTERNS, named_in

LAYOUT = 2
"""Part of every shape; raised when what it is made of changes."""
ASKED = frozenset("ctypes importlib importlib_metadata matplotlib pkg_resources".split())
"""Modules of whose users PyInstaller, or one of its hooks, looks at calls: libraries to load, metadata to read,
backends to use. Of ``importlib`` it is the submodule ``metadata``."""
BINDING = frozenset(("STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL"))


def shape_of(source: bytes, path: str, groups: Sequence[str]) -> str:
    """The shape, as a digest; ``groups`` are the groups of entry points in the environment. Raises SyntaxError or
    ValueError."""
    tree = ast.parse(source, path)
    imports = list(_imports(tree, ()))
    asks = any(top in ASKED for name in _imported(tree) for top in [name.partition(".")[0]])
    parts = (
        LAYOUT,
        [(ast.dump(node), around) for node, around in imports],
        list(_bound(compile(tree, path, "exec", dont_inherit=True))),
        [sorted({repr(found) for found in pattern.findall(source)}) for pattern in PATTERNS],
        [name for name in groups if named_in(source, name)],
        sorted(_telling_calls(tree)) if asks else [],
    )
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _imports(node: ast.AST, around: tuple[str, ...]) -> Iterator[tuple[ast.stmt, tuple[str, ...]]]:
    """All import statements in their order, each with the kinds of what is around it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, around
        elif not isinstance(child, ast.expr):
            yield from _imports(child, (*around, type(child).__name__))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _bound(code: CodeType) -> Iterator[tuple[str, str]]:
    """What binds a name, or takes it away, outside functions, each once in its order; PyInstaller looks into nested
    code, too."""
    seen = set()
    for each in _nested(code):
        for step in dis.get_instructions(each):
            found = (step.opname, str(step.argval))
            if step.opname in BINDING and (found not in seen or step.opname.startswith("DELETE")):
                seen.add(found)
                yield found


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _telling_calls(tree: ast.AST) -> Iterator[str]:
    """The calls with a literal text in them, which may be a name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            given = [*node.args, *(item.value for item in node.keywords)]
            inner = (item for argument in given for item in ast.walk(argument))
            if any(isinstance(item, ast.Constant) and isinstance(item.value, (str, bytes)) for item in inner):
                yield ast.dump(node)
        elif isinstance(node, ast.Attribute):
            # ctypes.cdll.name loads a library, too.
            yield node.attr
