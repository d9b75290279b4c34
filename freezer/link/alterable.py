"""The files of an application's own that may change without another analysis: sources of the same shape, and data.

For each such file it is known what it has become: the code of modules, and files of the bundle. A file of which that is
not known for certain is not alterable: its change asks for a whole build.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.application.entry import Application
from freezer.base.elf import is_elf
from freezer.base.job import Job
from freezer.base.places import is_file, walk
from freezer.closure.close import ClosedApp
from freezer.environment.venv import Environment
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers.freeze_messages import WAYS, OwnCode, OwnCodeRequest
from freezer.link.unpacked_project import content_of
from freezer.plan.build import Plan
from freezer.plan.choices import CONTENTS
from freezer.plan.python_options import optimization
from freezer.plan.trees import signature

SOURCE = ".py"
CACHE = "__pycache__"


class Unusable(Exception):
    """What an earlier build has made is not what this one would make; the text is the reason."""


@dataclass(frozen=True)
class Alterable:
    """One file: its signature, whether it may be executed, the shape if it is a source, the modules that it is the code
    of, with the way in which that is made, and its places in the tree; the digest of one that each build unpacks
    anew."""

    signature: tuple[int, ...]
    executable: bool
    shape: Optional[str]
    modules: Mapping[str, str]
    places: tuple[str, ...]
    digest: Optional[str] = None


def state_of(path: str) -> tuple[tuple[int, ...], bool]:
    """Return the signature, and whether it is executable. Raises OSError."""
    status = os.stat(path)
    return signature(status), bool(status.st_mode & 0o111)


def own_sources(application: Application) -> list[str]:
    """Return all sources whose text the analysis reads: those that are visited, and of packages all."""
    found = {str(path) for path in application.own_files}
    for place in map(str, application.local_packages.values()):
        if is_file(place):
            found.add(place)
            continue
        for directory, folders, names in walk(place):
            folders[:] = [name for name in folders if name != CACHE]
            found |= {os.path.join(directory, name) for name in names if name.endswith(SOURCE)}
    return sorted(found)


def alterable_files(
    plan: Plan,
    environment: Environment,
    application: Application,
    closed: ClosedApp,
    code: Mapping[str, bytes],
    job: Job,
) -> dict[str, Alterable]:
    """Return the files that may change, for a bundle with the ``code`` of its own modules."""
    origins = closed.frozen.own_origins
    if origins is None or not origins.by_shape:
        return {}
    places: dict[str, list[str]] = {}
    for place, source in origins.places.items():
        places.setdefault(str(source), []).append(f"{CONTENTS}/{place}")
    modules: dict[str, list[str]] = {}
    for name, source in origins.code.items():
        modules.setdefault(str(source), []).append(name)
    sources = own_sources(application)
    wanted = {path: {name: list(WAYS) for name in modules.get(path, ())} for path in {*sources, *modules}}
    made, data = own_code(plan, environment, wanted, origins.groups, job)
    # What the bill states a digest of is in more than its place.
    digested = {name for item in (closed.bill.components if closed.bill else ()) if item.sha256 for name in item.files}
    found = {}
    for path in sorted({*wanted, *places}):
        looked = made["files"].get(path)
        ways = {} if looked is None else _ways(looked["code"], data, code)
        known = set(ways) == set(modules.get(path, ())) and not digested & set(places.get(path, ()))
        if not known or (path in wanted and looked is None) or (path not in wanted and is_elf(Path(path))):
            continue
        shape = None if looked is None else looked["shape"]
        digest = content_of(path, job)
        found[path] = Alterable(*state_of(path), shape, ways, tuple(sorted(places.get(path, ()))), digest)
    return found


def _ways(made: Mapping[str, Mapping[str, tuple[int, int]]], data: bytes, code: Mapping[str, bytes]) -> dict[str, str]:
    """Return the way in which the code of each module comes out as it is in the bundle; those without one are left
    out."""
    found: dict[str, str] = {}
    for name, places in made.items():
        for way, (offset, size) in places.items():
            if data[offset : offset + size] == code.get(name):
                found.setdefault(name, way)
    return found


def altered_code(
    plan: Plan,
    environment: Environment,
    before: Mapping[str, Alterable],
    changed: Iterable[str],
    groups: Sequence[str],
    job: Job,
) -> dict[str, bytes]:
    """Return the new code of the modules whose sources have changed. Raises Unusable if one has another shape than
    ``before``."""
    sources = {
        path: {name: [way] for name, way in before[path].modules.items()}
        for path in changed
        if before[path].shape is not None
    }
    if not sources:
        return {}
    made, data = own_code(plan, environment, sources, groups, job)
    found = {}
    for path, looked in made["files"].items():
        if looked is None or looked["shape"] != before[path].shape:
            raise Unusable(f"{os.path.basename(path)} imports or names something else")
        for name, ways in looked["code"].items():
            offset, size = ways[before[path].modules[name]]
            found[name] = data[offset : offset + size]
    return found


def own_code(
    plan: Plan,
    environment: Environment,
    files: Mapping[str, Mapping[str, list[str]]],
    groups: Sequence[str],
    job: Job,
) -> tuple[OwnCode, bytes]:
    """Return the shapes of sources, and the code of their modules with all the bytes that it is in."""
    if not files:
        return {"files": {}}, b""
    out = job.folder("own-code") / "code"
    out.unlink(missing_ok=True)
    request: OwnCodeRequest = {
        "files": {path: dict(modules) for path, modules in files.items()},
        "groups": list(groups),
        "optimize": optimization(plan.python_options),
        "out": str(out),
    }
    done = environment.root.run(
        [environment.python, "-I", "-S", DRIVERS / "own_code.py"],
        job,
        what="compile what has changed",
        env=environment.root.clean_environment(job, epoch=plan.epoch),
        cwd=job.work,
        stdin=json.dumps(request),
        capture=True,
    )
    answer: OwnCode = json.loads(done.stdout)
    return answer, out.read_bytes()
