"""Runs the application's main script as Python itself would.

The bootloader ends every uncaught exception with a message of its own and status 1, Ctrl-C included. Python prints the
traceback alone, and is killed by SIGINT when a KeyboardInterrupt is not caught, so that the caller's shell sees it.
The script's code is in the archive as a module, where processes spawned by multiprocessing find it too.
"""

import _signal  # type: ignore[import-not-found]
import builtins
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

MAIN_SCRIPT = "_freezer_main_script"


class _Quitter:
    """What ``exit`` and ``quit`` are: the module ``site`` gives them to every script, and is not run here. Its own
    class comes with pydoc and all that needs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return "Use %s() or Ctrl-D to exit" % self.name

    def __call__(self, code: object = None) -> None:
        raise SystemExit(code)


def run() -> None:
    builtins.exit, builtins.quit = _Quitter("exit"), _Quitter("quit")  # type: ignore[assignment]
    main = sys.modules["__main__"]
    assert main.__file__ is not None
    try:
        exec(main_code(main.__file__), main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        if interrupted:
            # At a terminal the signal comes a second time, forwarded by the program that unpacked this one.
            _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        # This module's own frame says nothing about the application.
        own = error.__traceback__
        assert own is not None
        error.__traceback__ = own.tb_next
        sys.excepthook(type(error), error, error.__traceback__)
        if interrupted:
            _die_of_interrupt()
        sys.exit(1)


def main_code(path: str) -> "CodeType":
    """The main script's code, named after its own file rather than after the module that it is stored as."""
    import os

    # Not importlib.util, which would be one more import at every start.
    spec = sys.modules["_frozen_importlib"]._find_spec(MAIN_SCRIPT, None)
    return _renamed(spec.loader.get_code(MAIN_SCRIPT), os.path.basename(path))


def _renamed(code: "CodeType", name: str) -> "CodeType":
    nested = tuple(_renamed(item, name) if isinstance(item, type(code)) else item for item in code.co_consts)
    return code.replace(co_filename=name, co_consts=nested)


def _die_of_interrupt() -> None:
    import atexit
    import os

    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            pass
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    os.kill(os.getpid(), _signal.SIGINT)
