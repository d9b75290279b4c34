"""Trouble that may pass: a lost connection, a registry that is busy. It is waited for, but not for ever."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Optional

from freezer.base.errors import OutputError
from freezer.base.log import Log


class Trouble(Exception):
    """A request has failed, and may succeed if it is repeated. The text is the reason; ``wait`` is the time in seconds
    that the registry asks for."""

    def __init__(self, reason: str, *, wait: Optional[float] = None, hint: Optional[str] = None) -> None:
        super().__init__(reason)
        self.wait = wait
        self.hint = hint


class Unreachable(Trouble):
    """There is no connection at all."""


class Stopped(Exception):
    """The push has been ended by another thread."""


@dataclass(frozen=True)
class Policy:
    """How often a request is repeated, and the times in seconds: before the first repetition, which doubles each time;
    the longest that a registry may ask for; and for a connection or an answer."""

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0
    connect: float = 30.0
    answer: float = 300.0


class Patience:
    """Counts the failures of one piece of work, and waits after each."""

    def __init__(self, policy: Policy, stop: threading.Event, log: Log, what: str) -> None:
        self._policy = policy
        self._stop = stop
        self._log = log
        self._what = what
        self._failures = 0

    def restore(self) -> None:
        """Begin to count anew: there was progress."""
        self._failures = 0

    def pause(self, trouble: Trouble) -> None:
        """Wait before the next attempt. Raises OutputError if there was the last one, or the registry asks for too long
        a time; Stopped if the push has ended."""
        self._failures += 1
        policy = self._policy
        if trouble.wait is not None and trouble.wait > policy.longest_wait:
            raise OutputError(
                f"cannot {self._what}: {trouble}",
                why=f"the registry asks to wait for {trouble.wait:.0f} seconds",
                hint="push again then; what the registry has by now is not sent again",
            ) from trouble
        if self._failures >= policy.attempts:
            raise OutputError(
                f"cannot {self._what}: {trouble}",
                why=f"{self._failures} attempts have failed",
                hint=trouble.hint or "push again later; what the registry has by now is not sent again",
            ) from trouble
        backoff = policy.first_wait * 2 ** (self._failures - 1)
        # Not all threads, and not all of a cluster's jobs, at the same moment.
        seconds = trouble.wait if trouble.wait is not None else backoff * random.uniform(0.75, 1.25)
        self._log.detail(f"    {self._what}: {trouble}; again in {seconds:.1f} s")
        if self._stop.wait(min(seconds, policy.longest_wait)):
            raise Stopped


def seconds_of(text: Optional[str], now: Callable[[], float] = time.time) -> Optional[float]:
    """Return the seconds of a Retry-After header (RFC 9110): a number, or a date; None if there is none."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (TypeError, ValueError, OverflowError):
        return None
