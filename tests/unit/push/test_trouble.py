"""Trouble is waited for, as long as there is hope."""

from __future__ import annotations

import io
import threading
from typing import Optional

import pytest

from freezer.base.errors import OutputError
from freezer.base.log import Log, Verbosity
from freezer.push.trouble import Patience, Policy, Stopped, Trouble, seconds_of


class Waits(threading.Event):
    """Notes the waits, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: Optional[float] = None) -> bool:
        self.seconds.append(timeout or 0.0)
        return self.is_set()


def patience(stop: Waits, said: Optional[io.StringIO] = None) -> Patience:
    return Patience(Policy(attempts=5), stop, Log(Verbosity.VERBOSE, said or io.StringIO()), "push it")


def test_waits_double_and_end() -> None:
    stop, said = Waits(), io.StringIO()
    patient = patience(stop, said)
    for _ in range(4):
        patient.pause(Trouble("it is gone"))
    for seconds, expected in zip(stop.seconds, (0.5, 1, 2, 4)):
        assert 0.7 * expected < seconds < 1.3 * expected
    with pytest.raises(OutputError) as raised:
        patient.pause(Trouble("it is gone", hint="look for it"))
    assert (raised.value.what, raised.value.hint) == ("cannot push it: it is gone", "look for it")
    assert "5 attempts" in str(raised.value.why)
    assert "push it: it is gone; again in 0." in said.getvalue()


def test_progress_restores_it() -> None:
    patient = patience(Waits())
    for _ in range(20):
        patient.pause(Trouble("x"))
        patient.restore()


def test_the_registry_says_how_long() -> None:
    stop = Waits()
    patience(stop).pause(Trouble("busy", wait=7.0))
    assert stop.seconds == [7.0]


def test_the_registry_asks_for_too_long() -> None:
    with pytest.raises(OutputError, match="cannot push it: busy") as raised:
        patience(Waits()).pause(Trouble("busy", wait=3600.0))
    assert "wait for 3600 seconds" in str(raised.value.why)


def test_the_end_of_the_push_ends_the_wait() -> None:
    stop = Waits()
    stop.set()
    with pytest.raises(Stopped):
        patience(stop).pause(Trouble("x"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 5 ", 5.0),
        ("-5", None),
        ("soon", None),
        ("9" * 400, None),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 50.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after(text: Optional[str], seconds: Optional[float]) -> None:
    assert seconds_of(text, now=lambda: 10.0) == seconds
