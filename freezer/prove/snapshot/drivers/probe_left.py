"""What the imports have left in the interpreter that another start would have differently."""

import gc
import posix
import sys

from probe_channel import tell

SETTINGS = ("encoding", "errors", "line_buffering", "write_through", "newlines", "closed")
"""What a stream may be told to do in another way."""
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from probe_watch import Beginnings


def streams() -> "dict[str, list[object]]":
    """Return what the standard streams are like."""
    found = {}
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        settings = [getattr(stream, item, None) for item in SETTINGS]
        found[name] = [stream is getattr(sys, "__%s__" % name), *settings]
    return found


def tell_left(beginnings: "Beginnings", before: "dict[str, list[object]]") -> None:
    """Tell of random generators, of streams that are not what they were ``before``, and how many threads a fork
    leaves."""
    for name, settings in streams().items():
        if settings != before[name]:
            tell(kind="left", value="stream %s" % name, frames=[])
    for name in beginnings.changed():
        tell(kind="left", value="drawn %s" % name, frames=[])
    for generator in _generators():
        tell(kind="left", value="generator %s" % _owner(generator), frames=[])
    if len(posix.listdir("/proc/self/task")) > 1:
        # Some libraries stop their threads before a fork, and start them again when there is work.
        child = posix.fork()
        if child == 0:
            posix._exit(0)
        posix.waitpid(child, 0)
        tell(after_fork=len(posix.listdir("/proc/self/task")))


def _generators() -> "list[Any]":
    """Return the random generators but the module's own, which is seeded anew in each child."""
    kind = getattr(sys.modules.get("_random"), "Random", None)
    if kind is None:
        return []
    module = sys.modules.get("random")
    own, stateless = getattr(module, "_inst", None), getattr(module, "SystemRandom", ())
    found: dict[int, Any] = {}
    for item in gc.get_objects():
        for each in (item, *gc.get_referents(item)):
            # By its type alone: what stands in for other objects (django's settings) would make them to answer.
            if issubclass(type(each), kind) and each is not own and not issubclass(type(each), stateless):
                found[id(each)] = each
    return list(found.values())


def _owner(thing: "Any") -> str:
    """Return the module and the name that an object has there, or else its class."""
    modules = [(name, module) for name, module in list(sys.modules.items()) if issubclass(type(module), type(sys))]
    for name, module in modules:
        for key, value in list(module.__dict__.items()):
            if value is thing:
                return "%s.%s" % (name, key)
    for name, module in modules:
        for key, value in list(module.__dict__.items()):
            if any(item is thing for item in gc.get_referents(value)):
                return "%s.%s" % (name, key)
    return "%s.%s" % (type(thing).__module__, type(thing).__name__)
