"""Several runs of a proof: what each is given, and what they prove together."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from freezer.base.errors import VerificationError
from freezer.plan.build import Request, Smoke
from freezer.prove.runs import judge_runs, run_request, unread


def ended(status: int, stdout: str = "", **fields: Any) -> dict[str, Any]:
    return {"status": status, "signal": None, "timed_out": False, "mapped": [], "stdout": stdout, **fields}


def test_what_a_run_is_given() -> None:
    plain = run_request(Smoke(("x",), 0, 7), ["/app", "x"], {"HOME": "/tmp"}, trace_maps=True)
    assert plain == {"argv": ["/app", "x"], "env": {"HOME": "/tmp"}, "timeout": 7.0, "trace_maps": True}
    smoke = Smoke(None, None, 7, stdin=b"\xff", requests=(Request("/"), Request("/x", 404)))
    asked = run_request(smoke, ["/app"], {}, trace_maps=False)
    assert base64.b64decode(asked["stdin"]) == b"\xff"
    assert asked["http"] == [{"path": "/", "low": 200, "high": 399}, {"path": "/x", "low": 404, "high": 404}]


def test_modules_that_no_run_has_read() -> None:
    names = ["a", "b", "c"]
    assert unread([{"read": [0]}, {"read": [0, 2]}], names) == ("b",)
    assert unread([{"read": [0, 1]}, {"read": [2]}], names) == ()
    # One run that was not watched may have read them all.
    assert unread([{"read": [0]}, {"read": None}], names) is None
    assert unread([{}], names) is None
    assert unread([{"read": []}], []) is None
    reads = run_request(Smoke(None, 0, 1), ["/app"], {}, trace_maps=True, reads=[(1, 2)])["reads"]
    assert reads == [[1, 2]]


def test_one_run_says_what_it_did() -> None:
    verdict = judge_runs([ended(3)], [Smoke(("x",), 3, 5)], "app")
    assert verdict == ("ran in an empty root: exited with status 3", ())


def test_several_runs() -> None:
    smokes = [Smoke(("a",), 0, 5), Smoke(("b",), 3, 5), Smoke(("c",), 0, 5)]
    verdict = judge_runs([ended(0), ended(3), ended(0)], smokes, "app")
    assert verdict.outcome == "3 runs in an empty root: exited with status 0; exited with status 3"


def test_the_run_that_fails_is_named() -> None:
    smokes = [Smoke(("a",), 0, 5), Smoke(("--say", "b c"), 0, 5)]
    with pytest.raises(VerificationError, match=r"^app --say 'b c' exited with status 4 in an empty root"):
        judge_runs([ended(0), ended(4)], smokes, "app")
    with pytest.raises(VerificationError, match=r"^app exited with status 4"):
        judge_runs([ended(4)], smokes[1:], "app")


def test_a_text_that_is_expected() -> None:
    smoke = Smoke(("a",), 0, 5, expected=("1.2", "{x}"))
    assert judge_runs([ended(0, "v 1.2 {x}")], [smoke], "app").warnings == ()
    with pytest.raises(VerificationError, match=r"app did not print '1\.2' in an empty root") as caught:
        judge_runs([ended(0, "v 1.3 {x}")], [smoke], "app")
    assert (caught.value.why, caught.value.hint) == (
        "v 1.3 {x}",
        "if it should say something else: --smoke-expect TEXT",
    )


def test_servers_are_judged_by_their_answers() -> None:
    asked = {
        "answers": [{"path": "/", "port": 1, "status": 200, "reason": "", "body": ""}],
        "listened": True,
        "complaint": None,
        "ended": False,
    }
    smokes = [Smoke(("a",), 0, 5), Smoke(None, None, 5, requests=(Request("/"),))]
    verdict = judge_runs([ended(0), ended(143, asked=asked)], smokes, "app")
    assert verdict.outcome == "2 runs in an empty root: exited with status 0; answered GET / with 200"
