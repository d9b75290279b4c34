"""Whether a process can be saved as a memory snapshot, as far as Python can tell.

What the imports did to the world outside of the process, the build has found out (``snapshot.key``). Here it is checked
what they have left in the process: open files, children and threads are not there in a restored one, and what is random
must not be the same in two.
"""

import _io
import _weakref
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Optional

RUNNER = "_freezer_runner"
"""The module that runs the main script."""

QUIET = frozenset(
    (None, "weakref", "_weakrefset", "functools", "logging", "threading", "_frozen_importlib", "importlib._bootstrap")
)
"""Modules whose callbacks for the end of an object only forget it; those of modules in C have no name."""


def reason_against(objects: "list[object]") -> "Optional[str]":
    """Return why this process cannot be saved; None if it can. ``objects`` are all that the collector knows."""
    if "t" in sys.abiflags:
        return "this Python has no global lock"
    for name in posix.listdir("/proc/self/fd"):
        if int(name) > 2 and _is_open(int(name)):
            return "the imports opened %s" % posix.readlink("/proc/self/fd/" + name)
    try:
        posix.waitpid(-1, posix.WNOHANG)
        return "the imports started a process"
    except ChildProcessError:
        pass
    if _threads() > 1:
        # Some libraries stop their threads before a fork, and start them again when there is work (OpenBLAS).
        child = posix.fork()
        if child == 0:
            posix._exit(0)
        posix.waitpid(child, 0)
        if _threads() > 1:
            return "the imports started a thread"
    return _seeded(objects)


def _is_open(number: int) -> bool:
    try:
        posix.fstat(number)
    except OSError:
        return False
    return True


def _threads() -> int:
    return len(posix.listdir("/proc/self/task"))


def _seeded(objects: "list[object]") -> "Optional[str]":
    """Return which generator of random numbers would give the same ones in each restored process; None if no such is
    known. The module's own is seeded anew (os.register_at_fork)."""
    random: Any = sys.modules.get("random")
    generator, stateless = getattr(random, "Random", ()), getattr(random, "SystemRandom", ())
    # The imports may end inside of that module.
    own = getattr(random, "_inst", None)
    for item in objects:
        kind = type(item)
        if issubclass(kind, generator) and not issubclass(kind, stateless) and item is not own:
            return "the imports made a generator of random numbers, %s.%s" % (kind.__module__, kind.__qualname__)
    return None


def is_end_noticed(objects: "list[object]") -> bool:
    """Whether these objects run code of theirs when they are collected at the end of the application."""
    if any(map(_has_code_for_end, set(map(type, objects)))):
        return True
    for item in objects:
        # Not by isinstance(), which asks a stand-in for its class: django's settings, say, are read for the answer.
        if issubclass(type(item), SUSPENDED):
            if _has_rest(item):
                return True
        elif issubclass(type(item), _weakref.ref):
            callback: Any = item.__callback__  # type: ignore[attr-defined]
            if callback is not None and not _is_quiet(callback):
                return True
    return False


def _is_quiet(callback: "Any") -> bool:
    # Not all that can be called has a module: the method __delitem__ of a dictionary has none.
    module: Any = getattr(callback, "__module__", callback)
    return module is None or (issubclass(type(module), str) and module in QUIET)


def is_open_file(item: object) -> bool:
    """Whether it is a file that is open, other than the standard streams': what is in its buffer is written at its end,
    and Python may warn that it was not closed."""
    if not issubclass(type(item), _io._IOBase):
        return False
    file: Any = item
    try:
        return not file.closed and bool(file.fileno() > 2)
    except (OSError, ValueError, AttributeError):
        return False


def _has_code_for_end(kind: type) -> bool:
    # There are no open files, and functions that wait are looked at one by one. What runs the main script is gone with
    # that, without the collector. A type that was made where there is no __name__ has no module.
    if getattr(kind, "__module__", None) == RUNNER or issubclass(kind, (_io._IOBase, *SUSPENDED)):
        return False
    return any("__del__" in item.__dict__ for item in kind.__mro__)


def _has_rest(function: "Any") -> bool:
    """Whether closing a function that waits in the middle runs code: that of a ``finally``, ``except`` or ``with``."""
    code: Any = getattr(function, "gi_code", None) or getattr(function, "cr_code", None)
    begun = getattr(function, "gi_suspended", getattr(function, "cr_suspended", None))
    if begun is None:
        # Python before 3.11
        frame = getattr(function, "gi_frame", None) or getattr(function, "cr_frame", None)
        begun = frame is not None and frame.f_lasti >= 0
    return bool(begun) and not HANDLING.isdisjoint(code.co_code[::2])


def _plain(manager: "Any") -> "Iterator[None]":
    values = [manager(None), manager(None, None, None), None]
    for value in values:
        if value is None:
            yield value


def _handling(manager: "Any") -> "Iterator[None]":
    try:
        yield
    finally:
        with manager:
            yield


async def _coroutine() -> None:
    """Never runs."""


def _kinds_of_suspended() -> "tuple[type, ...]":
    coroutine = _coroutine()
    coroutine.close()
    return type(_plain(None)), type(coroutine)


SUSPENDED = _kinds_of_suspended()
"""Types of functions that wait in the middle."""
HANDLING = frozenset(_handling.__code__.co_code[::2]) - frozenset(_plain.__code__.co_code[::2])
"""Instructions of functions that handle exceptions; some others that only these two differ in may be among them."""
