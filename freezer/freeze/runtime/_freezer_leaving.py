"""Ends a restored process without taking apart what came from the snapshot, which costs more than most applications do.

Exit functions run, threads are waited for, streams are flushed, and the main module and what was imported since is taken
apart, all by Python itself. Only the modules of the snapshot are withheld from it: they stay as they are until the
process is gone. They are not withheld if that could be noticed by what runs when an object ends.
"""

import sys

import _freezer_savable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

ALWAYS = ("__main__", "builtins", "sys")
"""The modules that Python takes apart itself."""

saved: "dict[str, ModuleType]" = {}
savers: "list[Any]" = []


def install() -> None:
    """Be what runs at the exit, behind all other exit functions: the first of them runs last."""
    import atexit

    atexit.register(_withhold)


def begin(saver: "Any") -> None:
    """Note the modules that are there now, right before they are saved."""
    saved.update((name, module) for name, module in sys.modules.items() if name not in ALWAYS)
    savers.append(saver)


def _withhold() -> None:
    import _io
    import gc

    # Those of the snapshot are not among them.
    objects = gc.get_objects()
    if not savers or _freezer_savable.is_end_noticed(objects):
        return
    for item in objects:
        if isinstance(item, _io._IOBase):
            _flush(item)
    for name, module in saved.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    savers[0].keep(saved)


def _flush(stream: "Any") -> None:
    try:
        stream.flush()
    except Exception:
        # Python says so, if it is a standard stream.
        pass
