"""Runs the application's main script as Python itself would.

The script's code is in the archive as a module, where processes spawned by multiprocessing find it too. An exception
that it does not catch is left to the interpreter: that prints it, ends threads, runs what atexit has, says what it
cannot flush, and is killed by SIGINT after a KeyboardInterrupt. It prints none of the frames that started the script.
"""

import _signal  # type: ignore[import-not-found]
import sys

import _freezer_finders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, TracebackType
    from typing import Any, Optional

MAIN_SCRIPT = "_freezer_main_script"
START_SCRIPT = "/_freezer_main.py"
"""The end of the name of a script that freezer wrote to start a module."""


class Quitter:
    """What ``exit`` and ``quit`` are, which the module ``site`` gives to every script. Its own class comes with pydoc
    and all that needs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return "Use %s() or Ctrl-D to exit" % self.name

    def __call__(self, code: object = None) -> None:
        raise SystemExit(code)


def run(path: str) -> None:
    """Run the main script, which says that its file is ``path``, in the module ``__main__``."""
    main = sys.modules["__main__"]
    loader = _freezer_finders.main_loader(MAIN_SCRIPT, path)
    main.__file__, main.__loader__ = path, loader
    main.__cached__ = None  # type: ignore[attr-defined]
    try:
        exec(main_code(path), main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            # At a terminal the signal comes a second time, forwarded by the program that unpacked this one.
            _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        _shorten(error)
        raise


def run_module(name: str) -> None:
    """Run a package's main module as ``python -m`` does, in the module ``__main__``; the package's start script calls
    this."""
    main, importlib = sys.modules["__main__"], sys.modules["_frozen_importlib"]
    package = name.rpartition(".")[0]
    __import__(package)
    spec = importlib._find_spec(name, sys.modules[package].__path__)
    main.__spec__, main.__loader__, main.__file__ = spec, spec.loader, spec.origin
    main.__package__ = package
    main.__cached__ = spec.cached  # type: ignore[attr-defined]
    exec(spec.loader.get_code(name), main.__dict__)


def _shorten(error: BaseException) -> None:
    """Have the interpreter print an exception, which it is about to do, with the application's frames alone."""
    hook: Any = getattr(sys, "excepthook", None)
    traceback = _of_application(error.__traceback__)

    def print_once(kind: "type[BaseException]", value: BaseException, _longer: "Optional[TracebackType]") -> None:
        sys.excepthook = hook
        if value is error:
            value.__traceback__ = sys.last_traceback = traceback
        hook(kind, value, value.__traceback__)

    # If there is none, the interpreter says so.
    if callable(hook):
        sys.excepthook = print_once


def _of_application(traceback: "Optional[TracebackType]") -> "Optional[TracebackType]":
    """Leave out the frames of this module and of start scripts, which say nothing about the application."""
    while traceback is not None and traceback.tb_next is not None:
        code = traceback.tb_frame.f_code
        if code not in OWN_CODE and not code.co_filename.endswith(START_SCRIPT):
            break
        traceback = traceback.tb_next
    return traceback


OWN_CODE = (run.__code__, run_module.__code__)


def main_code(path: str) -> "CodeType":
    """The main script's code, named after its own file rather than after the module that it is stored as."""
    code = _freezer_finders.main_loader(MAIN_SCRIPT, path).get_code("__main__")
    assert code is not None
    return code
