"""Runs under the Python of the build environment: the shapes of sources, and the code that modules become.

Reads an ``OwnCodeRequest`` on stdin; writes the code, marshalled, one after the other into a file, and replies on
stdout with ``OwnCode``. What is made here must be what a run of PyInstaller makes of the same sources, byte for byte;
so a module is only taken from here if both have agreed once.
"""

from __future__ import annotations

import ast
import json
import marshal
import os
import sys
import warnings
from types import CodeType
from typing import IO, TYPE_CHECKING, Optional

# An isolated Python does not look beside the program.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from content_memory import renamed, same_code
from own_shapes import shape_of

del sys.path[0]

if TYPE_CHECKING:
    from freeze_messages import OwnCode, OwnCodeRequest, OwnSource

ANALYSED = "analysed"
"""One of the ways in ``freeze_messages``."""
PACKAGE_FILE = "__init__"


def code_of(source: bytes, path: str, way: str, optimize: int) -> CodeType:
    """The code of a source, in one of the ways."""
    if way == ANALYSED:
        return same_code(compile(ast.parse(source, path), path, "exec", dont_inherit=True))
    code: CodeType = compile(source, path, "exec", dont_inherit=True, optimize=optimize)
    return code


def place_of(module: str, path: str) -> str:
    """The file name that the code of a module has in an application."""
    folder = module.replace(".", os.sep)
    stem = os.path.splitext(os.path.basename(path))[0]
    return os.path.join(folder, PACKAGE_FILE + ".py") if stem == PACKAGE_FILE else folder + ".py"


def answer(request: OwnCodeRequest, out: IO[bytes]) -> OwnCode:
    files: dict[str, Optional[OwnSource]] = {}
    for path, modules in request["files"].items():
        try:
            with open(path, "rb") as file:
                source = file.read()
            code: dict[str, dict[str, tuple[int, int]]] = {}
            for module, ways in modules.items():
                for way in ways:
                    made = code_of(source, path, way, request["optimize"])
                    # What is referred to more than once is marshalled in another way. PyInstaller holds the name in a
                    # variable while it marshals the code, and so does this.
                    name = place_of(module, path)
                    moved = renamed(made, name)
                    code.setdefault(module, {})[way] = (out.tell(), out.write(marshal.dumps(moved)))
            files[path] = {"shape": shape_of(source, path, request["groups"]), "code": code}
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            files[path] = None
    return {"files": files}


def main() -> None:
    warnings.simplefilter("ignore")
    request: OwnCodeRequest = json.load(sys.stdin)
    with open(request["out"], "xb") as out:
        json.dump(answer(request, out), sys.stdout)


if __name__ == "__main__":
    main()
