"""Have the probe run the imports of an executable, and judge what they did."""

from __future__ import annotations

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
from freezer.prove.snapshot.findings import SnapshotFindings
from freezer.prove.snapshot.verdict import judge_run

UNPRIVILEGED = 65534
"""The user that the application runs as."""
TIMEOUT = 300
"""Seconds; under a tracer imports take several times as long."""
ENVIRONMENT = {"LANG": "C.UTF-8", "LOGNAME": "probe-user", "SHELL": "/bin/sh", "TERM": "xterm-256color"}
"""What nearly every start has: imports should do in the probe what they do then."""


def find_snapshot(path: Path, ignore: Sequence[str], job: Job, *, before: Sequence[str] = ()) -> SnapshotFindings:
    """Return whether starts of an executable may begin from a snapshot, and what its key has; ``ignore`` are patterns
    of variables that the author wants left out, ``before`` modules that must not be imported by then.

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
    replies = [_run(path, job, terminal=False)]
    if _asks_for_terminal(replies[0]):
        # At a terminal, the imports may go another way.
        replies.append(_run(path, job, terminal=True))
    return judge_run(replies, ignore, before)


def _asks_for_terminal(reply: Mapping[str, Any]) -> bool:
    return any(
        event["kind"] == "ask" and event["value"] == "terminal" and event["phase"] == IMPORTS
        for event in reply.get("events", ())
    )


def _run(path: Path, job: Job, *, terminal: bool) -> dict[str, Any]:
    request = {
        "root": str(job.folder("root")),
        "binary": str(path.resolve()),
        "name": path.name,
        "uid": UNPRIVILEGED,
        "timeout": TIMEOUT,
        "terminal": terminal,
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
