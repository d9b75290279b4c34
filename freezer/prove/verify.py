"""Proving an executable: static checks, then a run in an empty root.

A run on the build host proves nothing, since the host has the files that the bundle lacks. ``sandbox`` runs the file
in private namespaces whose root contains only the file itself, /tmp, /proc and a minimal /dev, without network, as an
unprivileged user, with a clean environment. It also has the bundled loader load every bundled library there once, so
that modules which the application imports only later are proven, too. The file needs no changes for this.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.base import tools
from freezer.base.elf import Elf, read_elf
from freezer.base.elf_file import NotElf
from freezer.base.errors import InputError, VerificationError
from freezer.base.isolation import command_of
from freezer.base.job import Job
from freezer.base.log import Step
from freezer.link.linkers import StaticApp
from freezer.link.modules import places_of
from freezer.link.start import MODULES, Container
from freezer.link.tree import archive_of_modules
from freezer.plan.build import Plan, Smoke
from freezer.plan.choices import Linker, Verification
from freezer.plan.learned import Learned
from freezer.prove.advice import Sources, sources_of
from freezer.prove.bundle import Bundle, open_bundle
from freezer.prove.judge import HOST, NOWHERE, judge_loads
from freezer.prove.proof import Proof
from freezer.prove.runs import judge_runs, run_request, unread
from freezer.prove.sandbox import SANDBOX
from freezer.prove.strength import Strength, weaken

UNPRIVILEGED = 65534
"""The user that the application runs as, "nobody" on most systems."""


@dataclass(frozen=True)
class Known:
    """What is known of the bundle in an executable that freezer has just made: ``loaded`` is how many of its libraries
    an earlier proof has loaded, ``modules`` the archive of modules in it."""

    loaded: int
    modules: Path


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


def prove(plan: Plan, linked: StaticApp, job: Job, *, loaded: Optional[int] = None) -> Optional[Proof]:
    """Verify the linked executable, unless the user opted out. The result, or that it was skipped, is logged.

    ``loaded`` is how many libraries an earlier proof has loaded from the same files in the same system; then they are
    not loaded again. Raises as ``verify`` does.
    """
    if plan.verify is Verification.NO:
        job.log.warning("not verified: the executable may not run where it is needed")
        return None
    with job.step("verify") as step:
        sources = sources_of(plan.entry, plan.folder)
        own = linked.closed.frozen.own_modules
        known = None
        if loaded is not None and plan.linker is Linker.NATIVE:
            known = Known(loaded, archive_of_modules(Container.LAUNCHER, job))
        proof = verify(
            linked.path, plan.smokes, plan.verify, job, jobs=plan.jobs, step=step, sources=sources, own=own, known=known
        )
        before = " in an earlier proof" if known is not None else ""
        end = f"; {proof.libraries} libraries loaded{before}" if proof.isolation is not None else ""
        step.result = f"{proof.outcome}{end}"
    for warning in proof.warnings:
        job.log.warning(warning)
    for note in (*proof.notes, *(f"{name}: no run has imported it" for name in proof.unused or ())):
        job.log.detail(f"    {note}")
    return proof


def verify(
    path: Path,
    smokes: Sequence[Smoke],
    verification: Verification,
    job: Job,
    *,
    jobs: int,
    step: Optional[Step] = None,
    sources: Sources = NOWHERE,
    own: Collection[str] = (),
    learned: Optional[Learned] = None,
    known: Optional[Known] = None,
) -> Proof:
    """Prove one executable, as far as ``verification`` wants; ``sources`` are for advice. The proof tells which of the
    modules ``own`` were imported; they are given only for an executable that freezer has just made. What is ``learned``
    must be in it. If the bundle is ``known``, it is not unpacked.

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
    bundle, archive = _bundle_in(path, known, job)
    if learned is not None:
        from freezer.prove.learnt import judge_learned

        judge_learned(learned, bundle.folder, path.name)
    noticed = places_of(archive, sorted(own)) if own and archive is not None else {}
    variables, reads = {"PATH": "/usr/bin:/bin", "HOME": "/tmp"}, list(noticed.values())
    commands = [[f"/app/{path.name}", *(smoke.arguments or ())] for smoke in smokes]
    runs = [
        run_request(smoke, command, variables, trace_maps=True, reads=reads) for smoke, command in zip(smokes, commands)
    ]
    request = {"binary": str(path), "name": path.name, "uid": UNPRIVILEGED, "jobs": jobs, "runs": runs}
    hosted = [_on_host(run, path, job) for run, smoke in zip(runs, smokes) if _is_for_host(smoke)]
    if verification is Verification.AUTO and hosted:
        request["host_runs"] = hosted
    reply = run_sandbox(request, bundle, job, step=step)
    if "cause" in reply:
        return _unisolated(path, smokes, verification, reply, sources)
    judge_loads(reply["loads"], bundle.known_missing, path.name)
    verdict = judge_runs(reply["runs"], smokes, path.name, sources=sources)
    return Proof(
        Strength.EMPTY_ROOT,
        reply["isolation"],
        verdict.outcome,
        seconds_of(reply["runs"][0]),
        len(bundle.loads) if known is None else known.loaded,
        tuple(reply["notes"]),
        verdict.warnings,
        len(noticed),
        unread(reply["runs"], list(noticed)),
    )


def _bundle_in(path: Path, known: Optional[Known], job: Job) -> tuple[Bundle, Optional[Path]]:
    """Return the bundle of an executable, of which nothing is to be loaded if it is known, and the archive of modules
    in it."""
    if known is not None:
        return Bundle(None, (), frozenset()), known.modules
    bundle = open_bundle(path, job)
    return bundle, None if bundle.folder is None else bundle.folder / MODULES


def _is_for_host(smoke: Smoke) -> bool:
    """Return whether a run is done on the host, too: only one that the user has asked for, as the application has the
    user's files and network; and no server, which the whole network could reach, at a port that may be another's."""
    return smoke.status is not None and not smoke.requests


def _on_host(run: Mapping[str, Any], path: Path, job: Job) -> dict[str, Any]:
    """Return the run as it is on the host: everything that it writes to its home goes with the work directory."""
    home = str(job.folder("home"))
    return {
        **{key: value for key, value in run.items() if key != "reads"},
        "argv": [str(path), *run["argv"][1:]],
        "env": {**run["env"], "HOME": home, "TMPDIR": home},
        "cwd": home,
    }


def _unisolated(
    path: Path, smokes: Sequence[Smoke], verification: Verification, reply: Mapping[str, Any], sources: Sources
) -> Proof:
    """Return what is left of a proof where the sandbox cannot isolate. Raises VerificationError if that is too little,
    or if a run on the host fails."""
    warnings = [weaken(path.name, reply["cause"], reply["remedy"], verification)]
    servers = [smoke for smoke in smokes if smoke.requests]
    if servers:
        warnings.append(
            f"{path.name} was not asked GET {servers[0].requests[0].path}: without a network of its own, "
            f"a server is not started"
        )
    if not reply["runs"]:
        return not_run(reply["cause"], *warnings)
    hosted = [smoke for smoke in smokes if _is_for_host(smoke)]
    verdict = judge_runs(reply["runs"], hosted, path.name, where=HOST, sources=sources)
    warnings += verdict.warnings
    return Proof(Strength.HOST, None, verdict.outcome, seconds_of(reply["runs"][0]), 0, (), tuple(warnings))


def seconds_of(run: Mapping[str, Any]) -> float:
    """Return the seconds of a run until its first output, or its end."""
    first = run["first_output"]
    return float(run["seconds"] if first is None else first)


def not_run(cause: str, *warnings: str) -> Proof:
    """Return the proof of what was checked, but not run."""
    return Proof(Strength.NOT_RUN, None, f"not run: {cause}", None, 0, (), warnings)


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
        command_of(SANDBOX),
        what="run the application in an empty root",
        stdin=json.dumps(request),
        capture=True,
        on_line=progress,
        error=VerificationError,
    )
    job.build_log.append(done.stdout)
    reply: dict[str, Any] = json.loads(done.stdout)
    return reply
