"""What the other linker would give, so that nobody stays with one for not knowing the other.

Its executable is not made, but its size is found out: for ``native`` by packing the tree into nothing, for ``staticx``
by adding up its archive. That goes on in a thread while the proof runs, and takes less time than that.
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
from freezer.base.log import human_size
from freezer.closure.close import ClosedApp
from freezer.link.drivers.staticx_internals import OWN_FILES
from freezer.link.launcher import launcher_path
from freezer.link.modules import Package
from freezer.link.payload.pack import TRAILER, packed_size
from freezer.link.start import Container
from freezer.link.tree import make_tree
from freezer.plan.choices import Linker, Packing

BLOCK = 512
"""Bytes that members of a tar, and their headers, are rounded up to."""


@dataclass(frozen=True)
class Other:
    """The other linker, and the size of what it would give, in bytes."""

    linker: Linker
    size: int

    def sentence(self, size: int) -> str:
        """One line for people, after a build that gave an executable of ``size`` bytes."""
        if self.linker is Linker.NATIVE:
            return (
                f"--linker native would give {human_size(self.size)}, unpacked once; "
                f"this is {human_size(size)}, unpacked at every start"
            )
        return (
            f"--linker staticx would give {human_size(self.size)}, unpacked at every start; "
            f"this is {human_size(size)}, unpacked once"
        )


@dataclass(frozen=True)
class Looking:
    """A look at the other linker that goes on beside the build."""

    thread: threading.Thread
    found: list[Other]

    def result(self) -> Optional[Other]:
        """Wait for it; None if this installation lacks what the other linker needs."""
        self.thread.join()
        return self.found[0] if self.found else None


def look_at_other(linker: Linker, closed: ClosedApp, package: Package, job: Job) -> Looking:
    """Begin to find out what the linker that is not ``linker`` would give."""
    other, measure = (Linker.NATIVE, native_size) if linker is Linker.STATICX else (Linker.STATICX, staticx_size)
    found: list[Other] = []

    def look() -> None:
        # It is only a hint: no failure of it, such as a work directory that is gone, may end a build.
        with contextlib.suppress(FreezerError, OSError):
            found.append(Other(other, measure(closed, package, job.inside("other"))))

    # A daemon: a build that is interrupted does not wait for it.
    looking = Looking(threading.Thread(target=look, daemon=True), found)
    looking.thread.start()
    return looking


def native_size(closed: ClosedApp, package: Package, job: Job) -> int:
    """The bytes of what the native linker makes by default. Raises EnvironmentFailure if it is not installed."""
    launcher = launcher_path().stat().st_size
    return launcher + packed_size(make_tree(closed, package, Container.LAUNCHER, job), Packing.FAST) + TRAILER.size


def staticx_size(closed: ClosedApp, package: Package, job: Job) -> int:
    """The bytes of what staticx makes by default, but for the few that changing the program adds."""
    records = make_tree(closed, package, Container.STATICX, job, packed=True)
    own = [path.stat().st_size for path in _own_programs()]
    return sum(BLOCK + -(-item.size // BLOCK) * BLOCK for item in records) + sum(own)


def _own_programs() -> list[Path]:
    """What staticx adds of its own. It is not imported, only its files are looked at."""
    found = importlib.util.find_spec("staticx")
    if found is None or found.origin is None:
        return []
    return list((Path(found.origin).parent / OWN_FILES).iterdir())
