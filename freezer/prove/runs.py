"""The runs of a proof: what the sandbox is asked to do for each, and what all of them prove together."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from freezer.plan.build import Smoke
from freezer.prove.advice import Sources
from freezer.prove.answers import judge_server
from freezer.prove.judge import EMPTY_ROOT, INSIDE, NOWHERE, Verdict, judge_run

SHOWN = 3
"""How many ends of runs a proof names."""


def run_request(
    smoke: Smoke,
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    trace_maps: bool,
    reads: Sequence[tuple[int, int]] = (),
) -> dict[str, Any]:
    """Return what the sandbox is asked to do for a run (see ``sandbox.protocol``)."""
    request: dict[str, Any] = {
        "argv": list(argv),
        "env": dict(env),
        "timeout": float(smoke.timeout),
        "trace_maps": trace_maps,
    }
    if smoke.stdin is not None:
        request["stdin"] = base64.b64encode(smoke.stdin).decode("ascii")
    if reads:
        request["reads"] = [list(place) for place in reads]
    if smoke.requests:
        request["http"] = [
            {"path": item.path, "low": item.status or 200, "high": item.status or 399} for item in smoke.requests
        ]
    return request


def unread(runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Optional[tuple[str, ...]]:
    """Return those of the modules ``names``, whose places were to be noticed, that no run has imported; None if that is
    unknown."""
    if not names or any(run.get("read") is None for run in runs):
        return None
    read = {number for run in runs for number in run["read"]}
    return tuple(name for number, name in enumerate(names) if number not in read)


def judge_runs(
    runs: Sequence[dict[str, Any]],
    smokes: Sequence[Smoke],
    name: str,
    places: tuple[str, ...] = INSIDE,
    where: str = EMPTY_ROOT,
    sources: Sources = NOWHERE,
) -> Verdict:
    """Judge all runs of a proof, as ``judge_run`` judges one. Raises VerificationError for the first that fails."""
    verdicts = []
    for run, smoke in zip(runs, smokes):
        judge = judge_server if smoke.requests else judge_run
        called = name if len(smokes) == 1 or not smoke.arguments else f"{name} {shlex.join(smoke.arguments)}"
        verdicts.append(judge(run, smoke, called, places, where, sources))
    warnings = tuple(warning for verdict in verdicts for warning in verdict.warnings)
    if len(verdicts) == 1:
        return Verdict(verdicts[0].outcome, warnings)
    ends = list(dict.fromkeys(verdict.outcome[len(f"ran {where}: ") :] for verdict in verdicts))
    more = f" and {len(ends) - SHOWN} more" if len(ends) > SHOWN else ""
    return Verdict(f"{len(verdicts)} runs {where}: {'; '.join(ends[:SHOWN])}{more}", warnings)
