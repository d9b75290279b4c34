"""Proving an executable: static checks, then a run in an empty root.

A run on the build host proves nothing, since the host has the files that the bundle lacks. ``sandbox`` runs the file
in private namespaces whose root contains only the file itself, /tmp, /proc and a minimal /dev, without network, as an
unprivileged user, with a clean environment. It also has the bundled loader load every bundled library there once, so
that modules which the application imports only later are proven, too. The file needs no changes for this.
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
from freezer.base.elf import Elf, find_elves, read_elf
from freezer.base.elf_file import NotElf
from freezer.base.errors import InputError, VerificationError
from freezer.base.job import Job
from freezer.base.log import Step
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers.freeze_messages import UnpackRequest
from freezer.link.linkers import StaticApp
from freezer.plan.build import Plan, Smoke
from freezer.plan.choices import CONTENTS, MANIFEST, Linker, Verification
from freezer.prove.advice import Sources, sources_of
from freezer.prove.judge import HOST, NOWHERE, judge_loads, judge_run
from freezer.prove.sandbox import SANDBOX
from freezer.prove.strength import Strength, weaken
from freezer.prove.unpack import Unpacked, unpack_bundle

UNPRIVILEGED = 65534
"""The user that the application runs as, "nobody" on most systems."""

ONE_FILE = "_onefile"
"""The directory for the files of a one-file program in an unpacked bundle."""


@dataclass(frozen=True)
class Proof:
    """The result of verification. ``isolation`` is how the run was isolated, None if it was not; ``seconds`` is the
    time until the application's first output, or its end."""

    strength: Strength
    isolation: Optional[str]
    outcome: str
    seconds: Optional[float]
    libraries: int
    notes: tuple[str, ...] = field(default=())
    warnings: tuple[str, ...] = field(default=())

    @property
    def sentence(self) -> str:
        """What the log says of the result at last."""
        first = "" if self.seconds is None else f"first output after {self.seconds * 1000:.0f} ms; "
        return f"{first}{self.strength.sentence}"


def check_static(path: Path, machine: Optional[str] = None) -> Elf:
    """Check an executable without running it: static, for this machine, executable by everybody.

    Raises InputError if it is not an ELF file, VerificationError if a check fails.
    """
    try:
        elf = read_elf(path)
    except NotElf as error:
        raise InputError(f"{path} is not an executable", why=str(error)) from error
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
        raise VerificationError(f"{path.name} is not a static executable", why=problem)
    return elf


def prove(plan: Plan, linked: StaticApp, job: Job) -> Optional[Proof]:
    """Verify the linked executable, unless the user opted out. The result, or that it was skipped, is logged.

    Raises as ``verify`` does.
    """
    if plan.verify is Verification.NO:
        job.log.warning("not verified: the executable may not run where it is needed")
        return None
    with job.step("verify") as step:
        sources = sources_of(plan.entry, plan.folder)
        proof = verify(linked.path, plan.smoke, plan.verify, job, jobs=plan.jobs, step=step, sources=sources)
        loaded = f"; {proof.libraries} libraries loaded" if proof.isolation is not None else ""
        step.result = f"{proof.outcome}{loaded}"
    for warning in proof.warnings:
        job.log.warning(warning)
    for note in proof.notes:
        job.log.detail(f"    {note}")
    return proof


def verify(
    path: Path,
    smoke: Smoke,
    verification: Verification,
    job: Job,
    *,
    jobs: int,
    step: Optional[Step] = None,
    sources: Sources = NOWHERE,
) -> Proof:
    """Prove one executable, as far as ``verification`` wants; ``sources`` are for advice.

    Raises VerificationError, with the application's output, if it fails; or without, if this host permits no proof, and
    one is required.
    """
    elf = check_static(path)
    if verification is Verification.NO:
        return not_run("--verify=no")
    if elf.machine != read_elf(Path(tools.own_python()).resolve()).machine:
        cause = f"it is made for {elf.machine}"
        warning = weaken(path.name, cause, "run freezer check on such a machine", verification)
        return not_run(cause, warning)
    bundle = open_bundle(path, job)
    run = {
        "argv": [f"/app/{path.name}", *(smoke.arguments or ())],
        "env": {"PATH": "/usr/bin:/bin", "HOME": "/tmp"},
        "timeout": float(smoke.timeout),
        "trace_maps": True,
    }
    request = {"binary": str(path), "name": path.name, "uid": UNPRIVILEGED, "jobs": jobs, "runs": [run]}
    if verification is Verification.AUTO and smoke.status is not None:
        request["host_runs"] = [_on_host(run, path, job)]
    reply = run_sandbox(request, bundle, job, step=step)
    if "cause" in reply:
        return _unisolated(path, smoke, verification, reply, sources)
    judge_loads(reply["loads"], bundle.known_missing, path.name)
    run = reply["runs"][0]
    verdict = judge_run(run, smoke, path.name, sources=sources)
    return Proof(
        Strength.EMPTY_ROOT,
        reply["isolation"],
        verdict.outcome,
        seconds_of(run),
        len(bundle.loads),
        tuple(reply["notes"]),
        verdict.warnings,
    )


def _on_host(run: Mapping[str, Any], path: Path, job: Job) -> dict[str, Any]:
    """Return the run as it is on the host: everything that it writes to its home goes with the work directory.

    Only a run that the user has asked for is done there, as the application has the user's files and network.
    """
    home = str(job.folder("home"))
    return {
        **run,
        "argv": [str(path), *run["argv"][1:]],
        "env": {**run["env"], "HOME": home, "TMPDIR": home},
        "cwd": home,
    }


def _unisolated(
    path: Path, smoke: Smoke, verification: Verification, reply: Mapping[str, Any], sources: Sources
) -> Proof:
    """Return what is left of a proof where the sandbox cannot isolate. Raises VerificationError if that is too little,
    or if a run on the host fails."""
    warning = weaken(path.name, reply["cause"], reply["remedy"], verification)
    if not reply["runs"]:
        return not_run(reply["cause"], warning)
    run = reply["runs"][0]
    verdict = judge_run(run, smoke, path.name, where=HOST, sources=sources)
    return Proof(Strength.HOST, None, verdict.outcome, seconds_of(run), 0, (), (warning, *verdict.warnings))


def seconds_of(run: Mapping[str, Any]) -> float:
    """Return the seconds of a run until its first output, or its end."""
    first = run["first_output"]
    return float(run["seconds"] if first is None else first)


def not_run(cause: str, *warnings: str) -> Proof:
    """Return the proof of what was checked, but not run."""
    return Proof(Strength.NOT_RUN, None, f"not run: {cause}", None, 0, (), warnings)


@dataclass(frozen=True)
class Bundle:
    """The unpacked bundle of an executable, if it has one: the sandbox's requests to load libraries, and the libraries
    that the build environment lacked, too."""

    folder: Optional[Path]
    loads: tuple[dict[str, Any], ...]
    known_missing: frozenset[str]


def open_bundle(path: Path, job: Job) -> Bundle:
    """Unpack the bundle of an executable. Raises InputError if it is damaged."""
    unpacked = unpack_bundle(path, job.work / "unpacked")
    if unpacked is None:
        return Bundle(None, (), frozenset())
    if unpacked.linker is Linker.STATICX:
        _unpack_onefile(unpacked, job)
    return bundle_of(unpacked)


def bundle_of(unpacked: Unpacked) -> Bundle:
    """Return an unpacked bundle with its libraries to load. Raises InputError if its manifest is damaged."""
    return Bundle(unpacked.folder, tuple(_loads(unpacked)), _known_missing(unpacked.folder))


def run_sandbox(wanted: Mapping[str, Any], bundle: Bundle, job: Job, *, step: Optional[Step]) -> dict[str, Any]:
    """Have the sandbox answer the request ``wanted``, and load the bundle's libraries (see ``sandbox.protocol``)."""
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
    """Return the libraries that the build environment lacked, too, from the linker's manifest in the bundle."""
    if not (bundle / MANIFEST).is_file():
        return frozenset()
    try:
        content = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
        return frozenset(str(item) for item in content["missing_libraries"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("the bundle's manifest is damaged", why=str(error)) from error


def _loads(unpacked: Unpacked) -> list[dict[str, Any]]:
    """Return a request for each shared library in the bundle, with the search path of the running application."""
    bundle = unpacked.folder
    if unpacked.program is None or unpacked.loader is None:
        return []
    try:
        machine = read_elf(bundle / unpacked.program).machine
    except NotElf:
        return []
    # In an image a link may lead out of the bundle, even to directories of the host.
    places = [item for item in (CONTENTS, ONE_FILE) if (bundle / item).is_dir() and not (bundle / item).is_symlink()]
    path = [f"/bundle/{place}" for place in places]
    # The order of the program's own RPATH, which in staticx's ends with the bundle.
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
    """Unpack a PyInstaller one-file program inside the bundle, too: people link these with staticx by hand."""
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
