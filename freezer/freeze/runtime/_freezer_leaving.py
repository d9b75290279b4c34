"""Ends a restored process without writing to all that came from the snapshot, as each page would be copied for that.

The collector of garbage does not look at the objects of the snapshot, which are frozen (gc.freeze), unless what this
process has made could notice that it is not collected. So all happens that happens in other processes, but for garbage
of the snapshot's own, whose end cannot be noticed.

If the application is to leave early, the modules of the snapshot are not taken apart either: they are withheld from
Python until the process is gone. Exit functions run, threads are waited for, streams are flushed, and the main module
and what was imported since is taken apart.
"""

import atexit
import gc
import sys

import _freezer_boundary
import _freezer_savable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

ALWAYS = ("__main__", "builtins", "sys")
"""The modules that Python takes apart itself."""


class Leaving:
    """What happens at the exit of restored processes; with ``early`` they leave early."""

    def __init__(self, early: bool) -> None:
        self._early = early
        self._frozen = False
        self._saver: Any = None
        self._saved: dict[str, ModuleType] = {}
        self._unfinished: list[ModuleType] = []
        # The first of all exit functions runs last.
        atexit.register(self._leave)

    def begin(self, saver: "Any", frozen: bool) -> None:
        """Note the modules that are there now, right before they are saved, and whether all objects are frozen. To ask
        the collector takes as long as to look at each of them."""
        self._saver, self._frozen = saver, frozen
        for name, module in sys.modules.items():
            if _freezer_boundary.is_unfinished(module):
                self._unfinished.append(module)
            elif name not in ALWAYS:
                self._saved[name] = module

    def thaw_unfinished(self) -> None:
        """Have the main module, and those that have not been imported to their end, collected as in other processes:
        the application puts its own objects into them."""
        if self._frozen:
            for module in (sys.modules["__main__"], *self._unfinished):
                for item in (module, module.__dict__):
                    self._saver.thaw(item)

    def _leave(self) -> None:
        if self._saver is None or not self._frozen:
            return
        objects = gc.get_objects()
        if _freezer_savable.is_end_noticed(objects) or any(map(_freezer_savable.is_open_file, objects)):
            gc.unfreeze()
        elif self._early:
            for name, module in self._saved.items():
                if sys.modules.get(name) is module:
                    del sys.modules[name]
            self._saver.keep(self._saved)
