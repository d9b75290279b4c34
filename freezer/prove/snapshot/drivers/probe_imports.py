"""Imports what the main script of the application begins with, under the tracer's eyes, and ends."""

import posix
import sys

import _freezer_boundary
import _freezer_finders
import _freezer_native
import _freezer_processes
import _freezer_runner

# What becomes a snapshot has this, and so does not look for what it imports.
import _freezer_snapshot  # noqa: F401
from probe_boundary import beginning
from probe_channel import OWN, tell
from probe_left import streams, tell_left
from probe_watch import watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

OWN_FILES = (OWN, "<frozen importlib.")
"""The beginnings of what the code that runs the imports says is its file."""


def run(before: "Sequence[str]", imports: "Sequence[str]") -> None:
    """Do it, in the place of the application's start; the interpreter has been prepared as its helper is. The modules
    ``before``, and what is asked for behind them, are not imported; ``imports`` are, in addition."""
    main = sys.modules["__main__"]
    if sys.path[:1] == [""]:
        del sys.path[0]  # what Python puts there for -c
    _freezer_finders.Finder.before = None
    sys.argv[:] = [sys.executable]
    _freezer_processes.called, _freezer_processes.own = sys.executable, []
    beginnings, streams_before = watch(), streams()

    def finish(place: "list[Any]", **more: str) -> "NoReturn":
        tell(phase="done")
        tell(boundary=place, **more)
        tell_left(beginnings, streams_before)
        posix._exit(0)

    def reached() -> None:
        finish(_place())

    def impossible(problem: str) -> "NoReturn":
        finish(_place(), impossible=problem)

    def asked(name: str) -> None:
        tell(asked=name)

    tell(phase="imports")
    # Those of executables of earlier versions have run.
    for run_hooks in getattr(_freezer_native, "waiting", ()):
        run_hooks()
    _freezer_boundary.Boundary(before, imports, reached, impossible, asked).watch()
    place, end = [main.__name__, 0], {}
    try:
        found = beginning(_freezer_runner.main_code(_freezer_processes.main_script))
        if found is None:
            tell(unknown_python="%d.%d" % sys.version_info[:2])
            posix._exit(0)
        code, place = found
        exec(code, main.__dict__)
    except BaseException as error:
        end["ended"] = "%s: %s" % (type(error).__name__, error)
    finish(place, **end)


def _place() -> "list[Any]":
    """The file and the line of the module whose own code has come to the boundary."""
    frame: Any = sys._getframe(1)
    while frame.f_code.co_filename.startswith(OWN_FILES) or frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return [frame.f_code.co_filename, frame.f_lineno]
