"""Proving an executable: static checks, then a run in an empty root.

A run on the build host proves nothing, since what is missing from the bundle is found there. ``sandbox`` runs the file
in private namespaces whose root holds only the file itself, /tmp, /proc and a minimal /dev, without network, as
an unprivileged user, with a clean environment; and lets the bundled loader load every bundled library there once, so
that what the application imports only later is proven too. The file itself knows nothing of this.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from freezer.base import tools
from freezer.base.elf import Elf, NotElf, find_elves, read_elf
from freezer.base.errors import InputError, VerificationError
from freezer.base.job import Job
from freezer.base.log import Step
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers.freeze_messages import UnpackRequest
from freezer.link.linkers import StaticApp
from freezer.plan.build import Plan, Smoke
from freezer.plan.choices import CONTENTS, MANIFEST, Linker
from freezer.prove.judge import judge_loads, judge_run
from freezer.prove.sandbox import SANDBOX
from freezer.prove.unpack import Unpacked, unpack_bundle

UNPRIVILEGED = 65534
"""The user that the application runs as, "nobody" on most systems."""

ONE_FILE = "_onefile"
"""Where the files of a one-file program are put, in an unpacked bundle."""


@dataclass(frozen=True)
class Proof:
    """What verification found out. ``isolation`` is how the run was isolated, None if it could not be;
    ``seconds`` until the application's first output, or its end, in the empty root."""

    isolation: Optional[str]
    outcome: str
    seconds: Optional[float]
    libraries: int
    notes: tuple[str, ...] = field(default=())


def check_static(path: Path, machine: Optional[str] = None) -> Elf:
    """The checks that need no run: static, for this machine, executable by everybody.

    Raises InputError for what is no ELF file, VerificationError for what fails.
    """
    try:
        elf = read_elf(path)
    except NotElf as error:
        raise InputError(f"{path} is no executable", why=str(error)) from error
    problem = None
    if elf.kind not in ("ET_EXEC", "ET_DYN"):
        problem = f"it is of type {elf.kind}"
    elif elf.interpreter is not None:
        problem = f"it asks for the interpreter {elf.interpreter}"
    elif elf.needed:
        problem = f"it needs {', '.join(elf.needed)}"
    elif machine is not None and elf.machine != machine:
        problem = f"it is made for {elf.machine}, not {machine}"
    elif path.stat().st_mode & 0o555 != 0o555:
        problem = f"its mode is {path.stat().st_mode & 0o7777:04o}; every user must be able to read and execute it"
    if problem is not None:
        raise VerificationError(f"{path.name} is no static executable", why=problem)
    return elf


def prove(plan: Plan, linked: StaticApp, job: Job) -> Optional[Proof]:
    """Verify the linked executable, unless the user opted out. The result, or that it was skipped, is logged.

    Raises as ``verify`` does.
    """
    if not plan.verify:
        job.log.warning("not verified: the executable may not run where it is needed")
        return None
    with job.step("verify") as step:
        proof = verify(linked.path, plan.smoke, job, jobs=plan.jobs, step=step)
        step.result = f"{proof.outcome}; {proof.libraries} libraries loaded"
    if proof.isolation is None:
        job.log.warning(f"not proven in an empty root: {proof.outcome}")
    for note in proof.notes:
        job.log.detail(f"    {note}")
    return proof


def verify(path: Path, smoke: Smoke, job: Job, *, jobs: int, step: Optional[Step] = None) -> Proof:
    """Prove one executable. Raises VerificationError, with the application's own words, if it fails."""
    elf = check_static(path)
    if elf.machine != read_elf(Path(tools.own_python()).resolve()).machine:
        return Proof(None, f"not run: it is made for {elf.machine}", None, 0)
    bundle = open_bundle(path, job)
    run = {
        "argv": [f"/app/{path.name}", *(smoke.arguments or ())],
        "env": {"PATH": "/usr/bin:/bin", "HOME": "/tmp"},
        "timeout": float(smoke.timeout),
        "trace_maps": True,
    }
    request = {"binary": str(path), "name": path.name, "uid": UNPRIVILEGED, "jobs": jobs, "runs": [run]}
    reply = run_sandbox(request, bundle, job, step=step)
    if "error" in reply:
        return Proof(None, f"not run: {reply['error']}: {reply['reason']}", None, 0)
    judge_loads(reply["loads"], bundle.known_missing, path.name)
    run = reply["runs"][0]
    outcome = judge_run(run, smoke, path.name)
    first = run.get("first_output")
    return Proof(
        reply["isolation"],
        outcome,
        run["seconds"] if first is None else first,
        len(bundle.loads),
        tuple(reply["notes"]),
    )


@dataclass(frozen=True)
class Bundle:
    """The unpacked bundle of an executable, if it has one: the libraries to load, as the sandbox is asked to, and those
    that the build environment lacked as well."""

    folder: Optional[Path]
    loads: tuple[dict[str, Any], ...]
    known_missing: frozenset[str]


def open_bundle(path: Path, job: Job) -> Bundle:
    """Unpack the bundle of an executable. Raises InputError for a damaged one."""
    unpacked = unpack_bundle(path, job.work / "unpacked")
    if unpacked is None:
        return Bundle(None, (), frozenset())
    if unpacked.linker is Linker.STATICX:
        _unpack_onefile(unpacked, job)
    return bundle_of(unpacked)


def bundle_of(unpacked: Unpacked) -> Bundle:
    """What there is to load of an unpacked bundle. Raises InputError if its manifest is damaged."""
    return Bundle(unpacked.folder, tuple(_loads(unpacked)), _known_missing(unpacked.folder))


def run_sandbox(wanted: Mapping[str, Any], bundle: Bundle, job: Job, *, step: Optional[Step]) -> dict[str, Any]:
    """Have the sandbox do what is ``wanted`` of it, and load the bundle's libraries (see ``sandbox.protocol``)."""
    request = {
        **wanted,
        "root": str(job.folder("root")),
        "bundle": str(bundle.folder) if bundle.folder is not None else None,
        "loads": list(bundle.loads),
        "progress_fd": 2 if step is not None else None,
    }

    def progress(line: str) -> bool:
        match = re.fullmatch(r"(\d+) (\d+)", line)
        if match and step is not None:
            step.advance(int(match.group(1)), int(match.group(2)))
        return match is not None

    done = job.run(
        [tools.own_python(), "-I", "-S", SANDBOX],
        what="run the application in an empty root",
        stdin=json.dumps(request),
        capture=True,
        on_line=progress,
        error=VerificationError,
    )
    job.build_log.append(done.stdout)
    reply: dict[str, Any] = json.loads(done.stdout)
    return reply


def _known_missing(bundle: Path) -> frozenset[str]:
    """The libraries that the build environment lacked as well, from the note that the linker left in the bundle."""
    if not (bundle / MANIFEST).is_file():
        return frozenset()
    try:
        content = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
        return frozenset(str(item) for item in content["missing_libraries"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("the bundle's manifest is damaged", why=str(error)) from error


def _loads(unpacked: Unpacked) -> list[dict[str, Any]]:
    """One request for each shared library in the bundle, with the libraries found as the running application would."""
    bundle = unpacked.folder
    if unpacked.program is None or unpacked.loader is None:
        return []
    try:
        machine = read_elf(bundle / unpacked.program).machine
    except NotElf:
        return []
    # In an image a link may lead out, even to directories of the host.
    places = [item for item in (CONTENTS, ONE_FILE) if (bundle / item).is_dir() and not (bundle / item).is_symlink()]
    path = [f"/bundle/{place}" for place in places]
    # The program's own RPATH has them in this order; staticx makes one that ends with the bundle.
    path = ["/bundle", *path] if unpacked.linker is Linker.NATIVE else [*path, "/bundle"]
    python = [item for place in places for item in sorted((bundle / place).glob("libpython*.so*"))]
    return [
        {
            "loader": f"/bundle/{unpacked.loader}",
            "library_path": path,
            "preload": [f"/bundle/{os.path.relpath(item, bundle)}" for item in python[:1]],
            "file": f"/bundle/{os.path.relpath(elf.path, bundle)}",
        }
        for elf in find_elves(bundle)
        if elf.is_library and elf.machine == machine and not elf.path.name.startswith("ld-")
    ]


def _unpack_onefile(unpacked: Unpacked, job: Job) -> None:
    """Unpack a PyInstaller one-file program inside the bundle too, as the hand-made recipe makes them."""
    if (unpacked.folder / CONTENTS).is_dir() or unpacked.program is None:
        return
    program = unpacked.folder / unpacked.program
    request: UnpackRequest = {"program": str(program), "folder": str(unpacked.folder / ONE_FILE)}
    job.run(
        [tools.own_python(), "-s", DRIVERS / "unpack_onefile.py"],
        what=f"read {program.name}",
        stdin=json.dumps(request),
        error=VerificationError,
    )
