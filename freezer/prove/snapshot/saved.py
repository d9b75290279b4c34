"""The proof of an application that is to start from snapshots: the probe, the key in the executable, and starts from a
snapshot beside plain ones.

Where the probe objects, or a start from a snapshot does something else than a plain one, the result starts plainly: it
gets no key, and the reasons are a warning. If a proof is required, they are an error instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from freezer.base.errors import VerificationError
from freezer.base.job import Job
from freezer.link.linkers import StaticApp, with_key
from freezer.plan.build import Plan, Smoke
from freezer.plan.choices import Verification
from freezer.plan.snapshot import SnapshotPlan
from freezer.prove.bundle import Bundle
from freezer.prove.proof import Proof
from freezer.prove.runs import run_request
from freezer.prove.snapshot.compare import difference, why_plainly
from freezer.prove.snapshot.findings import Reason, SnapshotFindings
from freezer.prove.snapshot.probing import find_snapshot
from freezer.prove.snapshot.tell import refusal, summary, warning_of, warning_of_limits
from freezer.prove.verify import UNPRIVILEGED, run_sandbox

WAYS = ("plain", "snapshot", "snapshot", "plain")
"""How each run of the proof is started: the first of all to start from a snapshot waits until there is one."""
MAKING_SECONDS = 60.0


class Trial(NamedTuple):
    """What starts from a snapshot have shown: why there can be none, None if they do what plain ones do; and how long
    a plain and a restored start took, in seconds."""

    problem: Optional[str]
    plain: float = 0.0
    restored: float = 0.0


def prove_snapshots(
    plan: Plan, wanted: SnapshotPlan, linked: StaticApp, proof: Proof, job: Job
) -> tuple[StaticApp, Proof]:
    """Return the executable with the key of its snapshots, and the proof with what is to be warned of.

    Raises VerificationError if a proof is required, and the application cannot be saved, or that cannot be found out
    here.
    """
    name = linked.path.name
    try:
        with job.step("snapshot") as step:
            findings = find_snapshot(linked.path, wanted.ignored, job, before=wanted.before, imports=wanted.imports)
            step.result = summary(findings)
    except VerificationError as error:
        if plan.verify is Verification.REQUIRE:
            raise
        return linked, _warned(proof, f"{name} starts plainly: {error.what}; {error.why}; {error.hint}", job)
    for line in findings.lines():
        job.log.detail("    " + " ".join(line))
    if findings.verdict:
        linked = with_key(plan, linked, findings.text(), job)
        with job.step("restore") as step:
            trial = try_snapshot(linked.path, plan.smokes, job)
            step.result = _told(trial, len(plan.smokes))
        if trial.problem is None:
            warned = _warned(proof, warning_of_limits(name, findings), job) if findings.limits else proof
            return linked, warned
        findings = dataclasses.replace(findings, reasons=(_reason(findings, trial.problem),))
        if plan.verify is not Verification.REQUIRE:
            linked = with_key(plan, linked, None, job)
    if plan.verify is Verification.REQUIRE:
        raise refusal(name, findings)
    return linked, _warned(proof, warning_of(name, findings), job)


def _reason(findings: SnapshotFindings, problem: str) -> Reason:
    hint = "keep modules behind the snapshot, by before = [...] in [tool.freezer.snapshot], or leave --start out"
    return Reason(*findings.boundary, problem, hint)


def _warned(proof: Proof, warning: str, job: Job) -> Proof:
    job.log.warning(warning)
    return dataclasses.replace(proof, warnings=(*proof.warnings, warning))


def _told(trial: Trial, runs: int) -> str:
    if trial.problem is not None:
        return trial.problem
    times = f"{trial.restored * 1000:.0f} ms instead of {trial.plain * 1000:.0f} ms"
    return f"starts from it do what plain starts do, in {times}" + (f"; {runs} runs" if runs > 1 else "")


def try_snapshot(path: Path, smokes: Sequence[Smoke], job: Job) -> Trial:
    """Have a snapshot made in an empty root, and compare starts from it with plain ones, for each run of the proof."""
    series = [_run(path.name, smoke, way) for smoke in smokes for way in WAYS]
    # Waiting for the snapshot is part of the first run that starts from one.
    series[1]["timeout"] += MAKING_SECONDS
    request = {
        "binary": str(path),
        "name": path.name,
        "uid": UNPRIVILEGED,
        "runs": [{**series[0], "then": series[1:]}],
    }
    reply = run_sandbox(request, Bundle(None, (), frozenset()), job, step=None)
    if "cause" in reply:
        return Trial(f"no snapshot can be tried on this host: {reply['cause']}")
    first = reply["runs"][0]
    return judge_series([first, *first["then"]], smokes)


def _run(name: str, smoke: Smoke, way: str) -> dict[str, Any]:
    variables = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "FREEZER_DEBUG": "start", "FREEZER_START": way}
    return run_request(smoke, [f"/app/{name}", *(smoke.arguments or ())], variables, trace_maps=False)


def judge_series(runs: Sequence[Mapping[str, Any]], smokes: Sequence[Smoke]) -> Trial:
    """Judge the runs, as many as WAYS for each smoke."""
    seconds: list[tuple[float, float]] = []
    for at in range(0, len(runs), len(WAYS)):
        first, *restored, last = runs[at : at + len(WAYS)]
        smoke = smokes[at // len(WAYS)]
        for number, run in enumerate(restored):
            why = why_plainly(run)
            if why is not None:
                # A server is ended by a signal, which looks like a crash at its first start from a snapshot.
                if number and smoke.requests:
                    continue
                return Trial(f"no start was from a snapshot: {why}")
            found = difference((first, last), run)
            if found is not None:
                words = " ".join(smoke.arguments or ())
                return Trial(
                    f"a start from a snapshot is another than a plain one{' with ' + words if words else ''}: {found}"
                )
        seconds.append((last["seconds"], restored[-1]["seconds"]))
    return Trial(None, *seconds[0])
