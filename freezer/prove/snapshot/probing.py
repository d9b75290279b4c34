"""Have the probe run the imports of an executable, and judge what they did."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from freezer.base import tools
from freezer.base.elf import read_elf
from freezer.base.errors import InputError, VerificationError
from freezer.base.isolation import command_of
from freezer.base.job import Job
from freezer.link.payload.read import find_payload
from freezer.prove.snapshot import PROBE
from freezer.prove.snapshot.events import IMPORTS
from freezer.prove.snapshot.findings import Reason, SnapshotFindings
from freezer.prove.snapshot.verdict import judge_run

UNPRIVILEGED = 65534
"""The user that the application runs as."""
TIMEOUT = 300
"""Seconds; under a tracer imports take several times as long."""
MOST_ROUNDS = 5
"""How often the place is looked for where the imports can end."""
ENVIRONMENT = {"LANG": "C.UTF-8", "LOGNAME": "probe-user", "SHELL": "/bin/sh", "TERM": "xterm-256color"}
"""What nearly every start has: imports should do in the probe what they do then."""


def find_snapshot(
    path: Path, ignore: Sequence[str], job: Job, *, before: Sequence[str] = (), imports: Sequence[str] = ()
) -> SnapshotFindings:
    """Return whether starts of an executable may begin from a snapshot, and what its key has; ``ignore`` are patterns
    of variables that the author wants left out, ``before`` modules that must not be imported by then, and ``imports``
    those that are, in addition.

    Where the imports do what each start must do anew, they have to end before that: before the module that they looked
    for last. Where they end so, nothing must be left of what was done behind that, which another run shows.

    Raises InputError if it has not been linked natively, VerificationError if this host permits no probe.
    """
    if find_payload(path) is None:
        raise InputError(
            f"{path.name} cannot start from a snapshot",
            why="only freezer's own launcher can start an application so",
            hint="build it with --linker native",
        )
    if read_elf(path).machine != read_elf(Path(tools.own_python()).resolve()).machine:
        raise VerificationError(f"{path.name} is made for another machine", hint="run freezer check on such a machine")
    ends, limits = set(before), list[Reason]()
    for _ in range(MOST_ROUNDS):
        findings, stops = judge_run(run_imports(path, job, sorted(ends), imports), ignore)
        if findings.verdict or stops <= ends:
            break
        limits += [reason for reason in findings.reasons if reason not in limits]
        ends |= stops
    if not findings.verdict:
        return dataclasses.replace(findings, reasons=tuple(dict.fromkeys((*findings.reasons, *limits))))
    return dataclasses.replace(findings, before=tuple(sorted(ends)), imports=tuple(imports), limits=tuple(limits))


def run_imports(path: Path, job: Job, before: Sequence[str], imports: Sequence[str]) -> list[dict[str, Any]]:
    """Run the imports, and once more at a terminal if they ask for one: there, they may go another way. Return what the
    probe replies (``program``). Raises VerificationError if this host permits no probe."""
    replies = [_run(path, job, before, imports, terminal=False)]
    if _asks_for_terminal(replies[0]):
        replies.append(_run(path, job, before, imports, terminal=True))
    return replies


def _asks_for_terminal(reply: Mapping[str, Any]) -> bool:
    return any(
        event["kind"] == "ask" and event["value"] == "terminal" and event["phase"] == IMPORTS
        for event in reply.get("events", ())
    )


def _run(path: Path, job: Job, before: Sequence[str], imports: Sequence[str], *, terminal: bool) -> dict[str, Any]:
    request = {
        "root": str(job.folder("root")),
        "binary": str(path.resolve()),
        "name": path.name,
        "uid": UNPRIVILEGED,
        "timeout": TIMEOUT,
        "terminal": terminal,
        "before": list(before),
        "imports": list(imports),
        "env": ENVIRONMENT,
    }
    done = job.run(
        command_of(PROBE),
        what="run the imports in an empty root",
        stdin=json.dumps(request),
        capture=True,
        error=VerificationError,
    )
    reply: dict[str, Any] = json.loads(done.stdout)
    if "cause" in reply:
        raise VerificationError(
            f"the imports of {path.name} cannot be watched on this host", why=reply["cause"], hint=reply["remedy"]
        )
    return reply
