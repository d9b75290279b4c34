"""What decides a bundle: the values that it was asked for by, and the state of all that was looked at.

Two builds with the same values, the same state, and sources of the same shapes make the same bundle.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from freezer import __version__
from freezer.application.entry import Application
from freezer.application.inputs import NamedInputs, State, fixed_inputs
from freezer.base import tools
from freezer.base.elf import read_elf
from freezer.base.job import Job
from freezer.base.plain_values import PlainValues
from freezer.closure.close import ClosedApp
from freezer.closure.provisions import looked_for
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import request_for
from freezer.link.alterable import Alterable, own_sources, state_of
from freezer.link.unpacked_project import is_unpacked, renamed, unpacked_state
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind
from freezer.system.loader import loader_directories

LAYOUT = 3
"""Part of the name of every kept bundle; raised when what is kept changes."""
KINDS = (EntryKind.SCRIPT, EntryKind.MODULE, EntryKind.PACKAGE, EntryKind.PROJECT)
"""The entries whose bundles are kept: a spec file may read anything."""
NOT_DECISIVE = ("ground", "project")
"""Groups of what a plan names that decide nothing by themselves: what comes along of the ground is in what is asked
for, and what is read of a project is its wheel."""
LATER = ("smokes", "verify", "compress", "output", "init")
"""Values of a plan that decide nothing of its bundle. The linker does: the libraries that its proof has loaded were
searched for in its order."""


def can_be_kept(plan: Plan, environment: Environment) -> bool:
    """Return whether it is known what the bundle of a plan depends on: no arguments and hooks of the user's, and the
    host's own system."""
    return plan.entry.kind in KINDS and not plan.pyinstaller_args and environment.root.path == Path("/")


def bundle_key(plan: Plan, environment: Environment, application: Application, job: Job) -> str:
    """Return a name made of all that is asked for. What the sources contain is not in it."""
    parts = {name: value for name, value in plan.digest_parts().items() if name not in LATER}
    request = dict(request_for(plan, environment, application, job.work / "report", job))
    for place in ("hooks", "dist", "work", "specpath", "report"):
        del request[place]
    asked = json.dumps(request).replace(json.dumps(str(job.work))[1:-1], "@work")
    about = repr(
        (application.metadata, application.name, application.distribution, application.function, environment.key)
    )
    text = json.dumps([LAYOUT, __version__, parts, asked, about], default=str, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def decisive_files(environment: Environment, closed: ClosedApp, job: Job) -> dict[str, list[str]]:
    """Return what the bundle depends on besides the application's own: the files that went in, and files and
    directories of the system, of which the dynamic loader's, and the packages' database, decide what is found. What the
    build has unpacked is not among them."""
    root = environment.root.path
    machine = read_elf(closed.python).machine
    system = [*loader_directories(root, machine), root / "var/lib/dpkg", root / "etc/ld.so.cache", closed.python]
    system += [*closed.sources.values(), *tools.require(tools.PACKAGES).values()]
    system += [folder / path.name for path, folder in closed.frozen.origins.items()]
    system += looked_for(root)
    return {
        "sources": sorted(path for path in map(str, closed.frozen.sources) if not is_unpacked(path, job)),
        "system": sorted({path for path in map(str, system) if not is_unpacked(path, job)}),
    }


def bundle_state(
    plan: Plan,
    files: Mapping[str, list[str]],
    alterable: Mapping[str, Alterable],
    named: NamedInputs,
    environment: Environment,
    application: Application,
    job: Job,
) -> State:
    """Return the state of all that the bundle depends on, but for the files that may change. What is below the work
    directory has names that are the same in each build."""
    fixed = [path for path in files["sources"] if path not in alterable]
    own = own_sources(application)
    whole = {
        **{name: group for name, group in named.state.items() if name not in NOT_DECISIVE},
        **fixed_inputs(environment, application, fixed, alterable, job.cache),
        "own": {path: list(state_of(path)) for path in own if path not in alterable and not is_unpacked(path, job)},
        "files of the project": unpacked_state(plan, application, alterable),
        "loaded": {path: list(state_of(path)) for path in files["system"] if os.path.exists(path)},
    }
    plain: State = renamed(json.loads(json.dumps(whole)), PlainValues((), {"work": job.work}).text)
    return plain


def this_machine() -> list[str]:
    """Return what decides how libraries load, besides the files: another kernel or processor may not take them."""
    return list(os.uname())
