"""Where the time of a command goes: its stages, and within them the tools that ran.

Processor time is user and system time of freezer's own process and of the tools, with the processes that these waited
for. A tool's is read from ``/proc/PID/stat`` (proc(5): utime, stime, cutime, cstime) between its end and its being
waited for, so that tools which run at the same time are told apart.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

STAGE, TOOL = "stage", "tool"

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Span:
    """Something that took time. All times are in seconds; ``started`` counts from the beginning of the command.

    ``processor`` is the processor time, of a stage with all that happened in it; None where it is not known.
    """

    kind: str
    title: str
    started: float
    seconds: float
    processor: Optional[float]


class Timings:
    """What has taken time so far, in the order in which it ended. May be used by several threads."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._started = time.monotonic()
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        """The seconds since the beginning."""
        return time.monotonic() - self._started

    @property
    def stages(self) -> list[Span]:
        """The stages, in their order."""
        return [span for span in self.spans if span.kind == STAGE]

    def tools_processor(self) -> float:
        """The processor time, in seconds, of the tools that have ended."""
        with self._lock:
            return sum(span.processor or 0.0 for span in self.spans if span.kind == TOOL)

    def add(self, kind: str, title: str, started: float, processor: Optional[float]) -> Span:
        """Note what began ``started`` seconds after the beginning and ends now."""
        span = Span(kind, title, started, self.elapsed - started, processor)
        with self._lock:
            self.spans.append(span)
        return span

    @contextlib.contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Note a stage, even if it fails."""
        started, own, tools = self.elapsed, time.process_time(), self.tools_processor()
        try:
            yield
        finally:
            self.add(STAGE, title, started, time.process_time() - own + self.tools_processor() - tools)


def processor_time(pid: int) -> Optional[float]:
    """Return the processor time, in seconds, of a process that has ended but was not waited for; None if unknown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        # The name comes second, in parentheses, and may contain anything; the fields are counted from behind it.
        fields = text.rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / TICKS
    except (OSError, ValueError):
        return None


def own_processor(spans: list[Span], stage: Span) -> Optional[float]:
    """Return a stage's processor time, in seconds, without that of the tools which ended in it."""
    if stage.processor is None:
        return None
    inside = [span for span in spans if span.kind == TOOL and within(span, stage)]
    return max(0.0, stage.processor - sum(span.processor or 0.0 for span in inside))


def within(span: Span, stage: Span) -> bool:
    """Tell whether something ended in a stage."""
    end = span.started + span.seconds
    return span is not stage and stage.started <= end <= stage.started + stage.seconds


def as_fields(span: Span) -> dict[str, object]:
    """Return a span for JSON, with times rounded to milliseconds."""
    fields = dataclasses.asdict(span)
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in fields.items()}
