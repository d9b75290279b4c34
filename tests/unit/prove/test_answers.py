"""The judgement on servers: who listens late, answers wrongly or ends fails, with the reason."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from freezer.base.errors import VerificationError
from freezer.plan.build import Request, Smoke
from freezer.prove.answers import judge_server
from freezer.prove.judge import FailedRun

TRACEBACK = 'Traceback (most recent call last):\n  File "app.py", line 1, in <module>\n'


def answer(path: str, status: int, body: str = "hello", reason: str = "") -> dict[str, Any]:
    return {"path": path, "port": 8000, "status": status, "reason": reason, "body": body}


def run(
    *answers: dict[str, Any],
    listened: bool = True,
    ended: bool = False,
    complaint: Optional[str] = None,
    **fields: Any,
) -> dict[str, Any]:
    asked = {"answers": list(answers), "listened": listened, "complaint": complaint, "ended": ended}
    killed: dict[str, Any] = {"status": None, "signal": 9, "timed_out": False, "mapped": [], "stdout": "", "stderr": ""}
    return {**killed, "exec_error": None, "asked": asked, **fields}


def server(*requests: Request, expected: tuple[str, ...] = ()) -> Smoke:
    return Smoke(("serve",), None, 7, expected=expected, requests=requests or (Request("/"),))


def test_expected_answers() -> None:
    smoke = server(Request("/"), Request("/old"), Request("/x", 404))
    verdict = judge_server(run(answer("/", 200), answer("/old", 302), answer("/x", 404)), smoke, "app")
    assert verdict.outcome == "ran in an empty root: answered GET / with 200, GET /old with 302, GET /x with 404"
    assert verdict.warnings == ()


@pytest.mark.parametrize(
    ("seen", "what"),
    [
        (run(answer("/", 500, reason="Internal Server Error")), "answers GET / with 500 Internal Server Error in an"),
        (run(answer("/", 404)), "answers GET / with 404 in an empty root; 200 to 399 was expected"),
        (run(listened=False, timed_out=True), "did not listen at a port within 7 s in an empty root"),
        (
            run(timed_out=True, complaint="port 1: refused"),
            r"did not answer GET / within 7 s \(port 1: refused\) in an",
        ),
        (run(listened=False, ended=True, status=1, signal=None), "exited with status 1 before it listened at a port"),
        (run(ended=True, signal=11), "was killed by SIGSEGV before it answered GET / in an empty root"),
    ],
)
def test_failures(seen: dict[str, Any], what: str) -> None:
    with pytest.raises(FailedRun, match=f"^app {what}") as caught:
        judge_server({**seen, "stderr": "the reason\n"}, server(), "app")
    assert caught.value.why == "the reason"
    assert caught.value.said == "the reason\n"


def test_another_status_is_asked_for_by_the_hint() -> None:
    with pytest.raises(FailedRun, match="404 was expected") as caught:
        judge_server(run(answer("/x", 200)), server(Request("/x", 404)), "app")
    assert caught.value.hint == "if that is right: --smoke-http /x=200"
    # Whoever prints nothing says it in the answer.
    assert caught.value.why == "hello"


def test_what_is_missing_is_named() -> None:
    said = f"{TRACEBACK}ModuleNotFoundError: No module named 'plugin'\nGET / 500\n"
    with pytest.raises(FailedRun) as caught:
        judge_server(run(answer("/", 500), stderr=said), server(), "app")
    assert (caught.value.hint or "").startswith("--hidden-import plugin")


def test_a_thread_that_lacks_a_module() -> None:
    said = f"Exception in thread Thread-1:\n{TRACEBACK}ModuleNotFoundError: No module named 'plugin'\n"
    with pytest.raises(FailedRun, match="lacks a part of it"):
        judge_server(run(answer("/", 200), stderr=said), server(), "app")


def test_expected_texts_are_in_an_answer() -> None:
    seen = run(answer("/", 200, "one"), answer("/b", 200, "two {}"), stdout="three")
    smoke = server(Request("/"), Request("/b"), expected=("one", "two {}"))
    assert "GET /b with 200" in judge_server(seen, smoke, "app").outcome
    with pytest.raises(FailedRun, match="app answers in an empty root without 'three'"):
        judge_server(seen, server(Request("/"), Request("/b"), expected=("three",)), "app")


def test_what_did_not_start_was_not_asked() -> None:
    with pytest.raises(VerificationError, match="cannot be started"):
        judge_server(run(exec_error="ENOEXEC: Exec format error"), server(), "app")
