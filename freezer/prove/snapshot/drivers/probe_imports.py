"""Imports what the main script of the application begins with, under the tracer's eyes, and ends."""

import posix
import sys

import _freezer_finders
import _freezer_native
import _freezer_processes
import _freezer_runner
from probe_boundary import beginning
from probe_channel import tell
from probe_left import streams, tell_left
from probe_watch import watch


def run() -> None:
    """Do it, in the place of the application's start; the interpreter has been prepared as its helper is."""
    main = sys.modules["__main__"]
    if sys.path[:1] == [""]:
        del sys.path[0]  # what Python puts there for -c
    _freezer_finders.Finder.before = None
    sys.argv[:] = [sys.executable]
    _freezer_processes.called, _freezer_processes.own = sys.executable, []
    beginnings, before = watch(), streams()
    tell(phase="imports")
    # Those of executables of earlier versions have run.
    for run_hooks in getattr(_freezer_native, "waiting", ()):
        run_hooks()
    found = beginning(_freezer_runner.main_code(_freezer_processes.main_script))
    if found is None:
        tell(unknown_python="%d.%d" % sys.version_info[:2])
        posix._exit(0)
    code, place = found
    ended = ""
    try:
        exec(code, main.__dict__)
    except BaseException as error:
        ended = "%s: %s" % (type(error).__name__, error)
    tell(phase="done")
    tell(boundary=place)
    tell(modules=list(sys.modules))
    if ended:
        tell(ended=ended)
    tell_left(beginnings, before)
    posix._exit(0)
