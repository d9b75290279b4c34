"""What of two plain starts and a restored one is compared, and how a difference is told."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from freezer.prove.snapshot.compare import difference, why_plainly

RESTORED = "/app/x: started by a snapshot\n"


def run(stdout: str = "", stderr: str = RESTORED, status: Optional[int] = 0, **more: Any) -> dict[str, Any]:
    return {"stdout": stdout, "stderr": stderr, "status": status, "signal": None, "timed_out": False, **more}


def answered(*bodies: str, status: int = 200) -> dict[str, Any]:
    return {"answers": [{"path": "/", "port": 8000, "status": status, "reason": "OK", "body": body} for body in bodies]}


def test_the_same() -> None:
    plain = run("out\n", "/app/x: started plainly: FREEZER_START=plain\nwarning\n")
    assert difference((plain, plain), run("out\n", RESTORED + "warning\n")) is None


@pytest.mark.parametrize(
    ("restored", "told"),
    [
        (run("out", status=1), "it exited with status 1, where a plain start exited with status 0"),
        (run("out", status=None, signal=11), "it was killed by SIGSEGV, where"),
        (run("out", status=None, signal=9, timed_out=True), "it is still running, where"),
        (run("other"), "it prints 'other', where a plain start prints 'out'"),
        (run("out", RESTORED + "more"), "it prints 'more', where a plain start prints ''"),
        (run("out\nmore"), "it prints 'more', where a plain start prints ''"),
    ],
)
def test_a_difference(restored: dict[str, Any], told: str) -> None:
    found = difference((run("out"), run("out")), restored)
    assert found is not None and found.startswith(told)


def test_what_differs_in_each_start_is_not_compared() -> None:
    plain = run("at 12:30:01, 0x7f3a\n"), run("at 12:30:02, 0x7f4b\n")
    assert difference(plain, run("at 12:30:09, 0x5555\n")) is None
    assert difference(plain, run("before 12:30:09, 0x5555\n")) is not None
    plain = run("heads\n"), run("tails\n")
    assert difference(plain, run("neither\n")) is None
    assert difference(plain, run("neither\n", status=3)) is not None
    assert difference((run(), run(status=1)), run(status=2)) is None


def test_of_starts_that_do_not_end_only_a_crash_counts() -> None:
    plain = run("begun", status=None, signal=9, timed_out=True), run("ended")
    assert difference(plain, run("ended")) is None
    assert difference(plain, run("begun", status=None, signal=9, timed_out=True)) is None
    found = difference(plain, run(status=None, signal=11))
    assert found == "it was killed by SIGSEGV, where a plain start is still running"


def test_the_variable_of_the_proof_s_own_is_not_compared() -> None:
    plain = run("{'FREEZER_START': 'plain'} FREEZER_START=plain")
    assert difference((plain, plain), run("{'FREEZER_START': 'snapshot'} FREEZER_START=snapshot")) is None
    assert difference((run("plain"), run("plain")), run("snapshot")) is not None


def test_answers_of_a_server() -> None:
    plain = run(asked=answered("page"), status=None, signal=15)
    assert difference((plain, plain), run(asked=answered("page"), status=None, signal=15)) is None
    assert difference((plain, plain), run(asked=answered("other"), status=None, signal=15)) is not None
    assert difference((plain, plain), run(asked=answered("page", status=500), status=None, signal=15)) is not None


@pytest.mark.parametrize(
    ("stderr", "why"),
    [
        (RESTORED + "x", None),
        ("/app/x: started plainly: it was so\nx", "it was so"),
        ("x\n" + RESTORED, "the launcher does not say why"),
        ("", "the launcher does not say why"),
    ],
)
def test_how_a_run_was_started(stderr: str, why: Optional[str]) -> None:
    assert why_plainly(run(stderr=stderr)) == why


def test_a_run_that_has_not_begun() -> None:
    told = why_plainly(run(stderr="", timed_out=True, seconds=10.02, status=None, signal=9))
    assert told is not None and told.startswith("it had not begun after 10 s")
