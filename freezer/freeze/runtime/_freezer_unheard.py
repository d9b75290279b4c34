"""Modules of the standard library that take the name of code from variables, changed so that they do not.

freezer/link/launcher/start.c hides the variables that choose code from the interpreter. These modules read
``os.environ`` themselves, where the application and its children shall find all variables. Each is changed once it is
imported.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _StandIn:
    """A module with some attributes of its own in place of another's."""

    def __init__(self, module: "Any", **attributes: "Any") -> None:
        self.__dict__.update(attributes)
        self._module = module

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._module, name)


class _Without:
    """The environment, but for variables whose names begin with a prefix."""

    def __init__(self, environ: "Any", prefix: str) -> None:
        self._environ, self._prefix = environ, prefix

    def __contains__(self, name: str) -> bool:
        return not name.startswith(self._prefix) and name in self._environ

    def __getitem__(self, name: str) -> str:
        if name.startswith(self._prefix):
            raise KeyError(name)
        value: str = self._environ[name]
        return value

    def get(self, name: str, default: "Any" = None) -> "Any":
        return default if name.startswith(self._prefix) else self._environ.get(name, default)

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._environ, name)


def _sysconfig(module: "Any") -> None:
    """_PYTHON_SYSCONFIGDATA_NAME names a module, and _PYTHON_SYSCONFIGDATA_PATH where it is."""
    module.os = _StandIn(module.os, environ=_Without(module.os.environ, "_PYTHON_"))


def _tkinter(module: "Any") -> None:
    """A window reads its profile, which is Python's code, in HOME."""
    module.Tk.readprofile = lambda self, baseName, className: None


def _domreg(module: "Any") -> None:
    """PYTHON_DOM names a module, unless Python ignores its variables."""
    module.sys = _StandIn(sys, flags=_StandIn(sys.flags, ignore_environment=1))


def _sax(module: "Any") -> None:
    """PY_SAX_PARSER names modules; it was read a moment ago."""
    module.default_parser_list = ["xml.sax.expatreader"]


MENDS: "dict[str, Callable[[Any], None]]" = {
    "sysconfig": _sysconfig,
    "tkinter": _tkinter,
    "xml.dom.domreg": _domreg,
    "xml.sax": _sax,
}
