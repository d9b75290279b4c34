"""The size of the other linker's result, so that users learn that there is another linker.

The other executable is not made, only measured: for ``native`` by packing the tree without writing it, for ``staticx``
by adding up its archive. A thread does this while the proof runs, which takes longer.
"""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.errors import FreezerError
from freezer.base.job import Job
from freezer.closure.close import ClosedApp
from freezer.link.drivers.staticx_internals import OWN_FILES
from freezer.link.launcher import launcher_path
from freezer.link.modules import Package
from freezer.link.other_size import Other
from freezer.link.packed import packed_by_zstd
from freezer.link.payload.pack import TRAILER, packed_size
from freezer.link.start import Container
from freezer.link.tree import make_tree
from freezer.plan.build import Plan
from freezer.plan.choices import Linker, Packing

BLOCK = 512
"""Bytes of a block of a tar file; members and their headers are rounded up to blocks."""


@dataclass(frozen=True)
class Looking:
    """A measurement of the other linker's result, made in a thread beside the build; None if it is done."""

    thread: Optional[threading.Thread]
    found: list[Other]

    def result(self) -> Optional[Other]:
        """Wait for the result, and return it; None if this installation lacks what the other linker needs."""
        if self.thread is not None:
            self.thread.join()
        return self.found[0] if self.found else None


def look_at_other(plan: Plan, closed: ClosedApp, package: Package, job: Job) -> Looking:
    """Begin to measure the result of the linker that is not the plan's."""
    other, measure = (Linker.NATIVE, native_size) if plan.linker is Linker.STATICX else (Linker.STATICX, staticx_size)
    found: list[Other] = []

    def look() -> None:
        # The result is only a hint: a failure, such as a removed work directory, must not end a build. RuntimeError is
        # raised by pools of threads while the interpreter ends, after a build that has failed.
        with contextlib.suppress(FreezerError, OSError, RuntimeError):
            found.append(Other(other, measure(closed, package, job.inside("other"), init=plan.init)))

    # A daemon thread: an interrupted build does not wait for it.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    return Looking(thread, found)


def native_size(closed: ClosedApp, package: Package, job: Job, *, init: bool) -> int:
    """Return the bytes of the native linker's executable by default. Raises EnvironmentFailure without a launcher."""
    launcher = launcher_path().stat().st_size
    records = make_tree(closed, package, Container.LAUNCHER, job, init=init)
    return launcher + packed_size(records, Packing.FAST, packed_by_zstd(job)) + TRAILER.size


def staticx_size(closed: ClosedApp, package: Package, job: Job, *, init: bool) -> int:
    """Return the bytes of staticx's executable by default, without the few that changing the program adds."""
    records = make_tree(closed, package, Container.STATICX, job, init=init, packed=True)
    own = [path.stat().st_size for path in _own_programs()]
    return sum(BLOCK + -(-item.size // BLOCK) * BLOCK for item in records) + sum(own)


def _own_programs() -> list[Path]:
    """Return the files of staticx that it adds to executables. Only look at the files; do not import staticx."""
    found = importlib.util.find_spec("staticx")
    if found is None or found.origin is None:
        return []
    return list((Path(found.origin).parent / OWN_FILES).iterdir())
