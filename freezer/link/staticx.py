"""Linking with staticx: the executable is a static start-up program with the tree, which it unpacks at every start.

The start-up program unpacks into a temporary directory, fills the dynamic loader's path and the search path into the
tree's program, runs it, and removes the directory again. staticx is licensed under the GPL (with an exception for the
files that it puts into the result), and runs as a separate process (freezer/link/drivers/staticx_link.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from freezer.base import tools
from freezer.base.job import Job
from freezer.closure.close import ClosedApp
from freezer.link.drivers import DRIVERS
from freezer.link.drivers.staticx_messages import LinkRequest, Member
from freezer.link.modules import Package
from freezer.link.papers import papers_in
from freezer.link.payload.pack import Record, Type
from freezer.link.start import PROGRAM, Container, can_have_init
from freezer.link.tree import make_tree
from freezer.plan.build import Plan
from freezer.plan.choices import Packing

TOOLS = ("objcopy", "strip", "patchelf")
"""The programs that staticx runs."""


def write_staticx(plan: Plan, closed: ClosedApp, package: Package, output: Path, job: Job) -> dict[str, bytes]:
    """Write the executable. Raises ToolError if staticx fails, EnvironmentFailure if a program it needs is missing."""
    # An archive that staticx compresses needs uncompressed modules. Otherwise compress them: a run needs few of them.
    small = plan.compress is Packing.SMALL
    records = make_tree(closed, package, Container.STATICX, job, init=can_have_init(plan.init, job), packed=not small)
    pack(records, output, job, small=small, epoch=plan.epoch)
    return papers_in(records)


def pack(records: Sequence[Record], output: Path, job: Job, *, small: bool, epoch: int) -> None:
    """Have staticx write a tree into an executable; with ``small`` it compresses the tree (xz). ``epoch`` is the time
    of the tree's files, in seconds since 1970. Raises as ``write_staticx`` does."""
    request: LinkRequest = {
        "program": PROGRAM,
        "members": list(_members(records, job.folder("members"))),
        "output": str(output),
        "compress": small,
        "epoch": epoch,
    }
    path = list(dict.fromkeys(path.parent for path in tools.require(TOOLS).values()))
    job.run(
        [tools.own_python(), "-s", DRIVERS / "staticx_link.py"],
        what=f"link {output.name}",
        env=job.environment(epoch=epoch, path=path),
        stdin=json.dumps(request),
    )


def _members(records: Sequence[Record], folder: Path) -> Iterator[Member]:
    """Yield the members of staticx's archive, in the form of the driver's request; directories come with their
    content."""
    for number, item in enumerate(records):
        if item.type is Type.LINK:
            yield {"name": item.name, "link": os.fsdecode(item.data)}
        elif item.type is Type.DIRECTORY:
            yield {"name": item.name}
        else:
            source = item.source
            if source is None:
                source = folder / str(number)
                source.write_bytes(item.data)
            yield {"name": item.name, "source": str(source), "executable": item.type is Type.EXECUTABLE}
