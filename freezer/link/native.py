"""Linking natively: the executable is freezer's launcher, followed by the tree, which it unpacks once, into a cache."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Optional

from freezer.base.job import Job
from freezer.closure.close import ClosedApp
from freezer.link.bundle_files import beginning_of, with_filters
from freezer.link.launcher import launcher_path
from freezer.link.modules import Package
from freezer.link.packed import packed_by_zstd
from freezer.link.papers import papers_in
from freezer.link.payload.pack import write
from freezer.link.start import Container
from freezer.link.tree import make_tree
from freezer.plan.build import Plan
from freezer.plan.choices import Packing

LEAVE_EARLY = "X freezer_leave=early"
"""Python's option by which restored processes leave early (freezer/freeze/runtime/_freezer_native.py)."""


def write_native(
    plan: Plan, closed: ClosedApp, package: Package, output: Path, job: Job, *, snapshot_key: Optional[bytes] = None
) -> dict[str, bytes]:
    """Write the executable; starts may be from memory snapshots if it is given their key. Raises ToolError, and
    EnvironmentFailure if this installation has no launcher."""
    if plan.snapshot is not None and plan.snapshot.early:
        package = dataclasses.replace(package, options=(*package.options, LEAVE_EARLY))
    records = make_tree(closed, package, Container.LAUNCHER, job, init=plan.init, snapshot_key=snapshot_key)
    memory = packed_by_zstd(job)
    beginning = beginning_of(records, closed, memory) if plan.compress is Packing.FAST else None
    if plan.compress is not Packing.NONE:
        count = 0 if beginning is None else beginning.count
        records[count:] = with_filters(records[count:], closed, memory, f"from {count}")
    write(
        launcher_path(),
        records,
        plan.compress,
        output,
        init=plan.init,
        memory=memory,
        jobs=plan.jobs,
        beginning=beginning,
    )
    return papers_in(records)
