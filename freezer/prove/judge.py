"""Judging the sandbox's report: whether libraries load from the bundle alone, and what a run's end and output mean.

The failures that count are a crash, an error of the launcher, another status than the expected one, and an output that
reports something missing from the bundle (see ``freezer.prove.faults``). What may be one is a warning.
"""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple, Optional

from freezer.base.errors import VerificationError
from freezer.base.processes import describe_status
from freezer.plan.build import Smoke
from freezer.prove.advice import Sources, find_advice
from freezer.prove.faults import (
    ended_by_fault,
    ended_by_missing_module,
    find_suspicion,
    has_uncaught_fault,
    last_lines,
)

EMPTY_ROOT, IMAGE_ROOT, HOST = "in an empty root", "in its own root", "on the host"
"""Where a run took place."""

WHY, SHOWN = 15, 5
"""How many lines of output errors and warnings show."""

INSIDE = ("/app/", "/tmp/", "/dev/shm/", "/dev/zero", "/memfd:", "/SYSV")
"""Where a run in the empty root may map files from: the bundle, the application's own files, shared memory."""

CRASHES = frozenset((4, 5, 6, 7, 8, 11, 31))
"""The signals of a broken program: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS."""

UNCAUGHT_STATUS = 1
"""The exit status of Python after an exception that nobody caught."""

NOWHERE = Sources()
"""The sources of an executable that exists: nobody knows them."""

CANNOT_RUN = 126
"""The exit status of the native linker's launcher, and of ``start.so``, if the application could not be started."""
LAUNCHER_ERROR = re.compile(r"^.+: error: .+\n  why: |^error: not enough memory to start Python$", re.MULTILINE)


def judge_loads(loads: list[dict[str, Any]], known: frozenset[str], name: str) -> None:
    """Raise VerificationError if a library of a bundle cannot be loaded from the bundle alone; ``known`` are libraries
    that the build environment lacked, too."""
    problems = []
    for load in loads:
        file = load["file"].replace("/bundle/", "", 1)
        for soname, place in load["libraries"].items():
            if place is None and os.path.basename(soname) not in known:
                problems.append(f"{file} needs {soname}, which is not in the bundle")
            elif place is not None and place.startswith("/") and not place.startswith("/bundle/"):
                problems.append(f"{file} takes {soname} from {place}, outside the bundle")
        for line in load["problems"]:
            # The program that loads the library may provide a symbol; only files that can never load count.
            if "undefined symbol" not in line and not any(item in line for item in known):
                problems.append(f"{file}: {line}")
    if problems:
        distinct = list(dict.fromkeys(problems))
        more = [f"and {len(distinct) - 12} more"] if len(distinct) > 12 else []
        raise VerificationError(
            f"{name} is not complete",
            why="\n".join(distinct[:12] + more),
            hint="install the library on the build machine, or add it with --library FILE",
        )


class FailedRun(VerificationError):
    """A run in which the application did not do what was expected. ``said`` is all that it printed, which may name what
    its bundle lacks."""

    def __init__(self, what: str, *, said: str, hint: Optional[str] = None) -> None:
        super().__init__(what, why=last_lines(said, WHY), hint=hint)
        self.said = said


class Verdict(NamedTuple):
    """What a run proves: a short description of its end, and warnings about what may be wrong."""

    outcome: str
    warnings: tuple[str, ...]


def judge_run(
    run: dict[str, Any],
    smoke: Smoke,
    name: str,
    places: tuple[str, ...] = INSIDE,
    where: str = EMPTY_ROOT,
    sources: Sources = NOWHERE,
) -> Verdict:
    """Judge one run. ``places`` are the directories that it may map files from, ``where`` is where it ran; in
    ``sources`` is looked for what the bundle lacks.

    Raises VerificationError.
    """
    judge_start(run, name, places, where)
    stderr, said = run.get("stderr") or "", output_of(run)
    status, signal, timed_out = run["status"], run["signal"], run["timed_out"]
    how = "is still running" if timed_out else describe_status(-signal if signal else status)
    failed = not timed_out and (signal is not None or status != 0)
    if smoke.status is not None and not (timed_out and smoke.endless):
        _judge_end(run, smoke, name, where, how, sources)
        # A status that was asked for says nothing, if Python itself ends with it for want of a module.
        broken = status == UNCAUGHT_STATUS and ended_by_missing_module(stderr)
    else:
        broken = signal in CRASHES or (failed and ended_by_fault(said))
    if broken or has_uncaught_fault(stderr):
        raise FailedRun(
            f"{name} does not run {where}: it {how}",
            said=said,
            hint=find_advice(said, sources) or "if it needs arguments to run: --smoke ARGS",
        )
    judge_texts(smoke, name, said, f"did not print {{}} {where}", said)
    warnings = []
    if failed and smoke.status is None:
        words = last_lines(said, SHOWN).replace("\n", "\n       ")
        end = f"--smoke-status {status}" if signal is None else "--smoke ARGS"
        right = f", without arguments; if that is right: {end}" if smoke.arguments is None else ""
        warnings.append(f"{name} {how} {where}{right}\n       {words}")
    elif suspicion := find_suspicion(said):
        warnings.append(f"{name} {how} {where}, but printed: {suspicion}")
    return Verdict(f"ran {where}: {how}" + (f" after {smoke.timeout} s" if timed_out else ""), tuple(warnings))


def judge_start(run: dict[str, Any], name: str, places: tuple[str, ...], where: str) -> None:
    """Raise VerificationError if the application did not start, or used what is not its own."""
    if run.get("exec_error"):
        raise VerificationError(f"{name} cannot be started {where}", why=run["exec_error"])
    if run["status"] == CANNOT_RUN and LAUNCHER_ERROR.search(run.get("stderr") or ""):
        # Whatever status was expected: the application has not run.
        raise VerificationError(f"{name} cannot unpack or start itself {where}", why=last_lines(output_of(run), WHY))
    strangers = [path for path in run["mapped"] if not path.startswith(places)]
    if strangers:
        raise VerificationError(f"{name} uses files outside its bundle", why="\n".join(strangers))


def _judge_end(run: dict[str, Any], smoke: Smoke, name: str, where: str, how: str, sources: Sources) -> None:
    """Raise VerificationError if a run did not end in time, with the status that was expected."""
    said = output_of(run)
    if run["timed_out"]:
        raise FailedRun(
            f"{name} did not end within {smoke.timeout} s {where}",
            said=said,
            hint="give it more time: --smoke-timeout SECONDS; if it is a server: --smoke-http PATH",
        )
    if run["status"] != smoke.status:
        raise FailedRun(
            f"{name} {how} {where}; the expected status was {smoke.status}",
            said=said,
            hint=find_advice(said, sources) or "if that status is right: --smoke-status N",
        )


def judge_texts(smoke: Smoke, name: str, texts: str, complaint: str, said: str) -> None:
    """Raise VerificationError if an expected text is not in ``texts``; ``complaint`` has a place for it."""
    for text in smoke.expected:
        if text not in texts:
            raise FailedRun(
                f"{name} {complaint.format(repr(text))}",
                said=said,
                hint="if it should say something else: --smoke-expect TEXT",
            )


def output_of(run: dict[str, Any]) -> str:
    """Return all that the application printed; standard error comes last, where the reason of a failure is."""
    stdout, stderr = run.get("stdout") or "", run.get("stderr") or ""
    return f"{stdout}\n{stderr}" if stdout and stderr else stdout + stderr
