"""Proving an existing executable or image, whether freezer made it or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional, TypeVar

from freezer.base.log import Log
from freezer.plan.build import Smoke
from freezer.plan.choices import Verification
from freezer.plan.learned import Learned
from freezer.prove.image import ImageProof, prove_image
from freezer.prove.proof import Proof
from freezer.prove.snapshot.findings import SnapshotFindings
from freezer.prove.snapshot.probing import find_snapshot
from freezer.prove.snapshot.tell import refusal, summary, warning_of_limits
from freezer.prove.verify import verify
from freezer.store.workspace import reading

_Proof = TypeVar("_Proof", Proof, ImageProof)


def check_executable(
    path: Path,
    smokes: Sequence[Smoke],
    verification: Verification,
    *,
    jobs: int,
    cache: Path,
    log: Log,
    learned: Optional[Learned] = None,
) -> Proof:
    """Prove an executable. Raises as ``verify`` does, and OutputError if there is no room to work in."""
    with reading(path, "check", cache, log) as job, job.step("verify") as step:
        proof = verify(path, smokes, verification, job, jobs=jobs, step=step, learned=learned)
        step.result = proof.outcome
    return _told(proof, log)


def check_image(
    path: Path,
    smokes: Sequence[Smoke],
    verification: Verification,
    *,
    jobs: int,
    cache: Path,
    log: Log,
    learned: Optional[Learned] = None,
) -> ImageProof:
    """Prove an image. Raises as ``prove_image`` does, and OutputError if there is no room to work in."""
    with reading(path, "check", cache, log) as job, job.step("verify") as step:
        proof = prove_image(path, smokes, verification, job, jobs=jobs, step=step, learned=learned)
        step.result = f"{', '.join(proof.names) or 'no name'}; {proof.outcome}"
    return _told(proof, log)


def check_snapshot(path: Path, ignore: Sequence[str], *, cache: Path, log: Log) -> SnapshotFindings:
    """Find out whether starts of an executable could begin from a snapshot, and warn if that cannot have all imports.
    Raises as ``find_snapshot`` does, and VerificationError, with the reasons, if they could not."""
    with reading(path, "check", cache, log) as job, job.step("snapshot") as step:
        findings = find_snapshot(path, ignore, job)
        step.result = summary(findings)
    for line in findings.lines():
        log.detail("    " + " ".join(line))
    if not findings.verdict:
        raise refusal(path.name, findings)
    if findings.limits:
        log.warning(warning_of_limits(path.name, findings))
    return findings


def _told(proof: _Proof, log: Log) -> _Proof:
    """Log what a proof warns of, and how strong it is."""
    for warning in proof.warnings:
        log.warning(warning)
    log.line(proof.strength.sentence)
    return proof
