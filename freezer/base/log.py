"""The messages of a running build: steps with their times, notes, warnings. All of them go to stderr.

On a terminal the running step is shown live (rich); elsewhere each step is one plain line when it ends, so that logs
of CI stay readable. ``-v`` also shows the tools' output, ``-q`` leaves only warnings and errors.
"""

from __future__ import annotations

import contextlib
import enum
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional, TextIO

from freezer.base.errors import FreezerError
from freezer.base.timings import Timings

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Verbosity(enum.IntEnum):
    """The verbosity of the log."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class Step:
    """One stage of a build while it runs."""

    def __init__(self, title: str, progress: Optional[Progress], task: Optional[TaskID]) -> None:
        self.title = title
        self.result = ""
        self._progress = progress
        self._task = task

    def advance(self, done: int, total: int) -> None:
        """Show a bar: ``done`` of ``total`` units of this step's work."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)


class Log:
    """The only class that writes to stderr. ``stream`` is for tests."""

    def __init__(self, verbosity: Verbosity = Verbosity.NORMAL, stream: Optional[TextIO] = None) -> None:
        self.verbosity = verbosity
        self.stream = stream or sys.stderr
        self.live = verbosity is Verbosity.NORMAL and self.stream.isatty()
        self.warnings: list[str] = []
        self.timings = Timings()

    def line(self, text: str) -> None:
        """Print a line, unless the log is quiet."""
        if self.verbosity >= Verbosity.NORMAL:
            self._write(text)

    def detail(self, text: str) -> None:
        """Print a line if the log is verbose."""
        if self.verbosity >= Verbosity.VERBOSE:
            self._write(text)

    def warning(self, text: str) -> None:
        """Print and keep a warning; it is shown even with ``-q``."""
        self.warnings.append(text)
        self._write(f"freezer: warning: {text}")

    def terse(self) -> None:
        """Print no steps and lines from here on, unless the log is verbose."""
        self.verbosity = Verbosity.VERBOSE if self.verbosity is Verbosity.VERBOSE else Verbosity.QUIET
        self.live = False

    def told(self, text: str) -> None:
        """Print a line whatever the verbosity."""
        self._write(text)

    def failure(self, error: FreezerError) -> None:
        """Print an error after which the command goes on."""
        self._write(f"freezer: {error.render()}")

    def _write(self, text: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.stream.write(text + "\n")
            self.stream.flush()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Run one stage; at its end, print its time and its result, or "failed"."""
        outcome, started = "failed", self.timings.elapsed
        try:
            with self.timings.stage(title), self._shown(title) as step:
                yield step
            outcome = step.result
        finally:
            # Not the time that the stage has noted: an interruption may come before there is one.
            self.line(f"  {title:<12} {self.timings.elapsed - started:6.1f} s  {outcome}".rstrip())

    @contextlib.contextmanager
    def _shown(self, title: str) -> Iterator[Step]:
        if not self.live:
            yield Step(title, None, None)
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description:<12}"), BarColumn(24), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=self.stream), transient=True) as progress:
            yield Step(title, progress, progress.add_task(title, total=None))


def human_size(size: int) -> str:
    """Return a size in decimal units, as disks and registries count: 21.8 MB."""
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}"
