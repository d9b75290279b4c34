"""Takes the place of the module ``site`` in an interpreter of a tree: the last that Python imports before it does what
its arguments say.

There are no directories of packages to add to ``sys.path``; instead it prepares the interpreter.
"""

import builtins

import _freezer_native
import _freezer_runner

PREFIXES: "list[str]" = []
ENABLE_USER_SITE = False
USER_SITE = USER_BASE = ""


def getsitepackages(prefixes: object = None) -> "list[str]":
    return []


def getusersitepackages() -> str:
    return USER_SITE


def getuserbase() -> str:
    return USER_BASE


builtins.exit, builtins.quit = _freezer_runner.Quitter("exit"), _freezer_runner.Quitter("quit")  # type: ignore[assignment]
_freezer_native.prepare_interpreter()
