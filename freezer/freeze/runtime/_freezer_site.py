"""Takes the place of the module ``site``, the last that Python imports before it does what its arguments say.

There are no directories of packages to add to ``sys.path``. Instead this prepares the interpreter that an application
has asked for; or it has Python run the application, which is prepared when the interpreter is complete.
"""

import builtins
import sys

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
if "freezer_executable" in sys._xoptions:
    _freezer_native.prepare_interpreter()
else:
    _freezer_runner.install(_freezer_native.prepare_application)
