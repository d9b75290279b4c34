"""Linking: the closed bundle becomes one static executable.

A linker is a function from the bundle to a file; LINKERS is the table of them. ``staticx`` prepends a statically
linked start-up program that unpacks the bundle into a temporary directory, runs it with the bundled dynamic loader,
and removes the directory again. It is licensed under the GPL (with an exception for what it puts into the result), and
runs as a process of its own. ``native`` prepends freezer's launcher, which unpacks the bundle once, into a cache
(``freezer.native``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from freezer import tools
from freezer.bundle import ClosedApp
from freezer.drivers import DRIVERS, MANIFEST
from freezer.launcher import launcher_path
from freezer.log import Log
from freezer.native.link import make_tree
from freezer.native.payload import Compression, write
from freezer.plan import Linker, Plan
from freezer.workspace import Workspace

TOOLS = ("objcopy", "strip", "patchelf")


@dataclass(frozen=True)
class StaticApp:
    """One executable file, not yet proven. ``size`` is in bytes."""

    path: Path
    size: int
    closed: ClosedApp


def link_staticx(plan: Plan, closed: ClosedApp, *, log: Log, space: Workspace) -> StaticApp:
    """Link with staticx. Raises ToolError if it fails, EnvironmentFailure if a program it needs is missing."""
    output = space.folder("link") / closed.frozen.name
    request = {
        "program": str(closed.frozen.program),
        "tree": str(closed.frozen.tree),
        "interpreter": closed.interpreter,
        "output": str(output),
        "compress": plan.compress is Compression.SMALL,
        "epoch": plan.epoch,
        "manifest_name": MANIFEST,
        "manifest": {"missing_libraries": sorted({item.soname for item in closed.missing})},
    }
    tools.run(
        [tools.own_python(), "-s", DRIVERS / "staticx_link.py"],
        log=log,
        build_log=space.build_log,
        what=f"link {closed.frozen.name}",
        env=tools.clean_environment(
            home=space.folder("home"),
            temporary=space.folder("tmp"),
            epoch=plan.epoch,
            path=list(dict.fromkeys(path.parent for path in tools.require(TOOLS).values())),
        ),
        cwd=space.work,
        stdin=json.dumps(request),
        hold=space.held,
    )
    output.chmod(0o755)
    return StaticApp(output, output.stat().st_size, closed)


def link_native(plan: Plan, closed: ClosedApp, *, log: Log, space: Workspace) -> StaticApp:
    """Link with freezer's own launcher. Raises EnvironmentFailure if this installation has none, ToolError."""
    output = space.folder("link") / closed.frozen.name
    records = make_tree(closed, log=log, space=space)
    write(launcher_path(), records, plan.compress, output)
    output.chmod(0o755)
    return StaticApp(output, output.stat().st_size, closed)


LINKERS: dict[Linker, Callable[..., StaticApp]] = {Linker.STATICX: link_staticx, Linker.NATIVE: link_native}
