"""Sees what the application in this process asks for, and has ``_freezer_notes`` note it.

An audit hook sees most of it (https://docs.python.org/3/library/audit_events.html); a finder in front of all others
sees the modules; ``os._exit`` and the end of the process are the time to look at what neither has seen: the files that
are mapped into memory by C code.
"""

import atexit
import importlib
import os
import sys

from _freezer_notes import PARENT, Notes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType
    from typing import Any, Optional


MOST_TIMES = 20
"""How often it is looked up who asks for a variable: some code asks all the time."""
ATTRIBUTE = "_initializing"
"""Of a module's specification: whether the module is still being loaded."""


class Finder:
    """In front of all finders: asks these, and notes what they find."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def find_spec(
        self, name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None
    ) -> "Optional[ModuleSpec]":
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: Optional[ModuleSpec] = find(name, path, target)
            if spec is not None:
                origin = spec.origin if isinstance(spec.origin, str) else ""
                quietly(self._notes.found, name, origin, sys._getframe(1))
                return spec
        return None


def quietly(function: "Callable[..., object]", *arguments: object) -> None:
    """Call a function; that it fails must not be noticed by the application."""
    try:  # noqa: SIM105 - contextlib is not imported for this
        function(*arguments)
    except Exception:
        pass


def start(folder: str) -> None:
    """Begin to note, in the directory ``folder``."""
    notes = Notes(folder)
    os.environ[PARENT] = str(os.getpid())
    with open("/proc/self/cmdline", "rb") as file:
        words = os.fsdecode(file.read()[:-1])
    notes.write("run", words, os.getcwd(), ("", 0))
    handlers = {
        "open": notes.opened,
        "os.listdir": notes.listed,
        "os.scandir": notes.listed,
        "ctypes.dlopen": notes.library,
        "sqlite3.connect": notes.database,
        "subprocess.Popen": notes.started,
        "os.exec": notes.started,
        "os.posix_spawn": notes.started,
        "os.system": notes.shell,
    }
    find_handler, frame_of = handlers.get, sys._getframe

    def hook(event: str, arguments: "tuple[Any, ...]") -> None:
        handler = find_handler(event)
        if handler is not None:
            try:
                try:
                    frame: Optional[FrameType] = frame_of(1)
                except ValueError:
                    frame = None
                handler(arguments, frame)
            except Exception:
                pass

    sys.addaudithook(hook)
    sys.meta_path.insert(0, Finder(notes))
    _see_known_modules(notes)
    _see_variables(notes)
    _see_the_end(notes)


def _see_known_modules(notes: Notes) -> None:
    """Note what is imported although somebody else has imported it before: no finder is asked then. But whatever
    imports, statements too, asks the module's specification whether it is still being loaded."""

    def is_incomplete(spec: "ModuleSpec") -> bool:
        # Nobody calls if the interpreter itself imports, such as runpy for -m.
        caller = sys._getframe().f_back
        if caller is not None and getattr(sys.modules.get(spec.name), "__spec__", None) is spec:
            origin = spec.origin if isinstance(spec.origin, str) else ""
            quietly(notes.note, "module", spec.name, origin, caller)
        return bool(vars(spec).get(ATTRIBUTE, False))

    def set_incomplete(spec: "ModuleSpec", value: bool) -> None:
        vars(spec)[ATTRIBUTE] = value

    setattr(type(sys.__spec__), ATTRIBUTE, property(is_incomplete, set_incomplete))
    if sys.version_info < (3, 11):
        _see_imports_by_name(notes)


def _see_imports_by_name(notes: Notes) -> None:
    """Note what ``import_module()`` imports, which asks no specification before Python 3.11."""
    import_module = importlib.import_module

    def noting(name: str, package: "Optional[str]" = None) -> "ModuleType":
        module = import_module(name, package)
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        quietly(notes.note, "module", module.__name__, origin if isinstance(origin, str) else "", sys._getframe(1))
        return module

    noting.__name__ = noting.__qualname__ = "import_module"
    noting.__doc__ = import_module.__doc__
    importlib.import_module = noting


def _see_variables(notes: Notes) -> None:
    """Note the variables that are asked for."""
    kind = type(os.environ)
    get = kind.__getitem__
    times: dict[object, int] = {}

    def noting(self: "Any", key: "Any") -> "Any":
        count = times.get(key, 0)
        if count < MOST_TIMES and isinstance(key, str):
            times[key] = count + 1
            quietly(notes.note, "variable", key, "", sys._getframe(1))
        return get(self, key)

    kind.__getitem__ = noting  # type: ignore[method-assign]


def _see_the_end(notes: Notes) -> None:
    """Look once more at the end, also of processes that end without cleaning up, as those of pools do."""
    leave = os._exit

    def noting(status: int) -> None:
        quietly(notes.end)
        leave(status)

    def forked() -> None:
        # What the parent has noted is in its own file.
        notes.child = True
        notes.ended = False
        quietly(notes.begin)

    atexit.register(quietly, notes.end)
    os._exit = noting  # type: ignore[assignment]
    os.register_at_fork(after_in_child=forked)
