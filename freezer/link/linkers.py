"""Linking: the closed bundle becomes one static executable.

A linker puts the tree of the application into a file that unpacks it; LINKERS is their table. The executables of all
linkers start the application in the same way (``start``), but unpack at different times: those of ``staticx`` at every
start, those of ``native`` once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Protocol

from freezer.base.job import Job
from freezer.base.log import human_size
from freezer.closure.close import ClosedApp
from freezer.link.modules import Package
from freezer.link.native import write_native
from freezer.link.other import Looking, look_at_other
from freezer.link.other_size import Other
from freezer.link.staticx import write_staticx
from freezer.plan.build import Plan
from freezer.plan.choices import Linker


@dataclass(frozen=True)
class StaticApp:
    """One executable file, not yet proven. ``size`` is in bytes; ``package`` is the code in it; ``init`` says whether
    process 1 becomes an init; ``other`` measures the result of the other linker; ``papers`` are the documents
    in it, by their names."""

    path: Path
    size: int
    closed: ClosedApp
    package: Package
    init: bool
    other: Looking
    papers: Mapping[str, bytes] = field(default_factory=dict)


class WriteExecutable(Protocol):
    """The signature of every linker: it writes the executable of a closed bundle to ``output``, and returns the
    documents in it, by their names."""

    def __call__(self, plan: Plan, closed: ClosedApp, package: Package, output: Path, job: Job) -> Mapping[str, bytes]:
        """Link. Raises ToolError, EnvironmentFailure."""


LINKERS: dict[Linker, WriteExecutable] = {Linker.STATICX: write_staticx, Linker.NATIVE: write_native}


def with_key(plan: Plan, linked: StaticApp, key: Optional[bytes], job: Job) -> StaticApp:
    """Link once more, natively: starts may be from memory snapshots that have this key; without one, they are plain.
    Raises as ``link`` does."""
    with job.step("link") as step:
        found = write_native(plan, linked.closed, linked.package, linked.path, job, snapshot_key=key)
        linked.path.chmod(0o755)
        again = dataclasses.replace(linked, size=linked.path.stat().st_size, papers=found)
        step.result = (
            f"{human_size(again.size)}, {'for plain starts' if key is None else 'with the key of its snapshots'}"
        )
    return again


def link(plan: Plan, closed: ClosedApp, package: Package, job: Job, *, other: Optional[Other] = None) -> StaticApp:
    """Link with the plan's linker, and report the size of the result; what the ``other`` linker would give is measured
    if it is not known. Raises ToolError, EnvironmentFailure."""
    with job.step("link") as step:
        output = job.folder("link") / closed.frozen.name
        found = LINKERS[plan.linker](plan, closed, package, output, job)
        output.chmod(0o755)
        looking = look_at_other(plan, closed, package, job) if other is None else Looking(None, [other])
        linked = StaticApp(output, output.stat().st_size, closed, package, plan.init, looking, found)
        step.result = human_size(linked.size)
    return linked
