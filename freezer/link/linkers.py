"""Linking: the closed bundle becomes one static executable.

A linker is a function from the bundle to a file; LINKERS is the table of them. ``staticx`` prepends a statically
linked start-up program that unpacks the bundle into a temporary directory, runs it with the bundled dynamic loader,
and removes the directory again. It is licensed under the GPL (with an exception for what it puts into the result), and
runs as a process of its own. ``native`` prepends freezer's launcher, which unpacks the bundle once, into a cache
(``freezer.native``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from freezer.base import tools
from freezer.base.job import Job
from freezer.base.log import human_size
from freezer.closure.close import ClosedApp
from freezer.link.drivers import DRIVERS
from freezer.link.launcher import launcher_path
from freezer.link.payload.pack import write
from freezer.link.tree import make_tree
from freezer.plan.build import Plan
from freezer.plan.choices import MANIFEST, Linker, Packing

TOOLS = ("objcopy", "strip", "patchelf")


@dataclass(frozen=True)
class StaticApp:
    """One executable file, not yet proven. ``size`` is in bytes."""

    path: Path
    size: int
    closed: ClosedApp


def link_staticx(plan: Plan, closed: ClosedApp, job: Job) -> StaticApp:
    """Link with staticx. Raises ToolError if it fails, EnvironmentFailure if a program it needs is missing."""
    output = job.folder("link") / closed.frozen.name
    request = {
        "program": str(closed.frozen.program),
        "tree": str(closed.frozen.tree),
        "interpreter": closed.interpreter,
        "output": str(output),
        "compress": plan.compress is Packing.SMALL,
        "epoch": plan.epoch,
        "manifest_name": MANIFEST,
        "manifest": {"missing_libraries": sorted({item.soname for item in closed.missing})},
    }
    job.run(
        [tools.own_python(), "-s", DRIVERS / "staticx_link.py"],
        what=f"link {closed.frozen.name}",
        env=job.environment(
            epoch=plan.epoch, path=list(dict.fromkeys(path.parent for path in tools.require(TOOLS).values()))
        ),
        stdin=json.dumps(request),
    )
    output.chmod(0o755)
    return StaticApp(output, output.stat().st_size, closed)


def link_native(plan: Plan, closed: ClosedApp, job: Job) -> StaticApp:
    """Link with freezer's own launcher. Raises EnvironmentFailure if this installation has none, ToolError."""
    output = job.folder("link") / closed.frozen.name
    records = make_tree(closed, job)
    write(launcher_path(), records, plan.compress, output)
    output.chmod(0o755)
    return StaticApp(output, output.stat().st_size, closed)


class LinkFunction(Protocol):
    """What every linker is: from a closed bundle to one file in the work directory."""

    def __call__(self, plan: Plan, closed: ClosedApp, job: Job) -> StaticApp:
        """Link. Raises ToolError, EnvironmentFailure."""


def link(plan: Plan, closed: ClosedApp, job: Job) -> StaticApp:
    """Link with the plan's linker, and say how big the result is. Raises ToolError, EnvironmentFailure."""
    with job.step("link") as step:
        linked = LINKERS[plan.linker](plan, closed, job)
        step.result = human_size(linked.size)
    return linked


LINKERS: dict[Linker, LinkFunction] = {Linker.STATICX: link_staticx, Linker.NATIVE: link_native}
