"""Judging a run of a server: it must listen in time, give the expected answers, and not end by itself."""

from __future__ import annotations

from typing import Any, Optional

from freezer.base.processes import describe_status
from freezer.plan.build import Request, Smoke
from freezer.prove.advice import Sources, find_advice
from freezer.prove.faults import has_uncaught_fault
from freezer.prove.judge import EMPTY_ROOT, INSIDE, NOWHERE, FailedRun, Verdict, judge_start, judge_texts, output_of

IN_FRONT = "a server must stay in the foreground; if it needs arguments: --smoke ARGS --smoke-http PATH"


def judge_server(
    run: dict[str, Any],
    smoke: Smoke,
    name: str,
    places: tuple[str, ...] = INSIDE,
    where: str = EMPTY_ROOT,
    sources: Sources = NOWHERE,
) -> Verdict:
    """Judge the run of a server, as ``judge_run`` judges one that ends. Raises VerificationError."""
    judge_start(run, name, places, where)
    asked = run["asked"]
    answers = asked["answers"]
    bodies = "\n".join(answer["body"] for answer in answers)
    said = output_of(run) or bodies
    for request, answer in zip(smoke.requests, answers):
        if not request.accepts(answer["status"]):
            raise FailedRun(
                f"{name} answers GET {request.path} with {_status(answer)} {where}; {_expected(request)} was expected",
                said=said,
                hint=find_advice(said, sources) or f"if that is right: --smoke-http {request.path}={answer['status']}",
            )
    if len(answers) < len(smoke.requests):
        raise FailedRun(
            f"{name} {_why_not(run, smoke, smoke.requests[len(answers)].path)} {where}",
            said=said,
            hint=find_advice(said, sources) or _hint(asked),
        )
    if has_uncaught_fault(run.get("stderr") or ""):
        raise FailedRun(f"{name} lacks a part of it {where}", said=said, hint=find_advice(said, sources))
    judge_texts(smoke, name, bodies, f"answers {where} without {{}}", bodies)
    return Verdict(f"ran {where}: answered {_answered(answers)}", ())


def _why_not(run: dict[str, Any], smoke: Smoke, path: str) -> str:
    """Return why there is no answer, as the end of a sentence about the application."""
    asked = run["asked"]
    if asked["ended"]:
        how = describe_status(-run["signal"] if run["signal"] else run["status"])
        return f"{how} before it answered GET {path}" if asked["listened"] else f"{how} before it listened at a port"
    if not asked["listened"]:
        return f"did not listen at a port within {smoke.timeout} s"
    complaint = f" ({asked['complaint']})" if asked["complaint"] else ""
    return f"did not answer GET {path} within {smoke.timeout} s{complaint}"


def _hint(asked: dict[str, Any]) -> str:
    return IN_FRONT if asked["ended"] else "give it more time: --smoke-timeout SECONDS; only HTTP over TCP is asked"


def _status(answer: dict[str, Any]) -> str:
    reason: Optional[str] = answer["reason"]
    return f"{answer['status']} {reason}" if reason else str(answer["status"])


def _expected(request: Request) -> str:
    return "200 to 399" if request.status is None else str(request.status)


def _answered(answers: list[dict[str, Any]]) -> str:
    return ", ".join(f"GET {answer['path']} with {answer['status']}" for answer in answers)
