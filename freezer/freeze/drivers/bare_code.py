"""Compiles the modules that freezer puts into every application, without what only readers and type checkers need.

Annotations would be evaluated at each start of each application, and docstrings be read with the code. What is left
does what the source does, with the same line numbers in tracebacks.
"""

from __future__ import annotations

import ast
from types import CodeType
from typing import Union

from content_memory import ContentMemory, same_code

BARE = "bare"
"""The kind of analysis that is kept of a source: its code without annotations."""
OPTIMIZE = 2
"""The compiler's own level that leaves docstrings and assertions out."""


class _Bare(ast.NodeTransformer):
    """Takes annotations, and blocks for type checkers, out of a syntax tree."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: Union[ast.FunctionDef, ast.AsyncFunctionDef]) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=self.visit(node.value)), node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if any(_is_for_checkers(target) for target in node.targets):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        # What stands for it is compiled to nothing; a block must not become empty.
        return ast.copy_location(ast.Pass(), node) if _is_for_checkers(node.test) else self.generic_visit(node)


def _is_for_checkers(node: ast.expr) -> bool:
    """Whether it is the name that only type checkers take for true; the modules set it to False."""
    return isinstance(node, ast.Name) and node.id == "TYPE_CHECKING"


def compile_bare(path: str, memory: ContentMemory) -> CodeType:
    """The code of a module's source file; it is compiled once for all builds."""
    with open(path, "rb") as file:
        source = file.read()
    key = memory.key(BARE, path.encode("utf-8", "surrogateescape") + b"\0" + source)
    code = memory.get(key)
    if code is None:
        tree = _Bare().visit(ast.parse(source, path))
        code = compile(tree, path, "exec", dont_inherit=True, optimize=OPTIMIZE)
        memory.put(key, code)
    return same_code(code)
