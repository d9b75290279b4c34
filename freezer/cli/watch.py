"""``freezer build --watch``: build again at each change of a source, and say so in one line.

Files are looked at, not watched by inotify(7): that misses changes on file systems of other machines, and has a limit
for a user, which a large source tree exceeds. What counts as a change is what makes a build not up to date
(``application/inputs``); before the first success, every file of the application's ground.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from freezer.base.errors import FreezerError, UsageError
from freezer.cli.options import log_of

if TYPE_CHECKING:
    from freezer.base.log import Log
    from freezer.plan.build import Plan
    from freezer.results import Built

PAUSE = 0.3
"""Seconds between two looks."""
SHARE = 20
"""A look takes at most one part in so many of the time."""
PRINTED_TO = (1, 2)
"""The descriptors that lines are printed to."""


@dataclass(frozen=True)
class Look:
    """What was seen at one time: the plan, or what is wrong with it; the state of all that it names; that of the source
    files that the last successful build has found. ``seconds`` is the time that looking took."""

    plan: Union[Plan, FreezerError]
    state: object
    sources: Mapping[str, object]
    seconds: float

    def differs(self, before: Look) -> bool:
        """Tell whether anything has changed since another look. Sources that only one of them knows are no change: a
        build finds others than the one before."""
        if isinstance(self.plan, FreezerError) or isinstance(before.plan, FreezerError):
            return str(self.plan) != str(before.plan)
        common = self.sources.keys() & before.sources.keys()
        changed = any(self.sources[name] != before.sources[name] for name in common)
        return changed or (self.plan, self.state) != (before.plan, before.state)


def watch(arguments: argparse.Namespace, plan: Callable[[], Plan], build: Callable[[Plan, Log], Built]) -> int:
    """Build, and build again at each change, until interrupted; ``plan`` reads options and settings files. An error is
    printed, and ends nothing.

    Raises UsageError if a result would be written to a stream.
    """
    from freezer.store.home import cache_root

    cache = cache_root()
    seen: Optional[Look] = None
    while True:
        now = look(plan, cache)
        if seen is None or now.differs(seen):
            attempt(arguments, now.plan, build, first=seen is None)
            seen = now
        else:
            seen = now
            time.sleep(max(PAUSE, SHARE * now.seconds))


def attempt(
    arguments: argparse.Namespace, plan: Union[Plan, FreezerError], build: Callable[[Plan, Log], Built], *, first: bool
) -> None:
    """Build once, and print a line, or the error and a line. Nothing changed since the last build is worth a line only
    the ``first`` time."""
    log = log_of(arguments)
    log.terse()
    begun, now = time.monotonic(), time.strftime("%H:%M:%S")
    try:
        if isinstance(plan, FreezerError):
            raise plan
        built = build(plan, log)
    except FreezerError as error:
        log.failure(error)
        log.told(f"{now} failed; waiting for a change")
        return
    # What was written beside the sources may be nothing of the application's.
    if first or not built.unchanged:
        log.told(f"{now} {_described(built, time.monotonic() - begun)}")


def look(make_plan: Callable[[], Plan], cache: Path) -> Look:
    """Look at all that may change the result. Raises UsageError for an image that
    would be written to a stream."""
    from freezer.application.inputs import state_of, watched_inputs
    from freezer.results import sources_of

    begun = time.monotonic()
    try:
        plan = make_plan()
        _refuse_streams(plan)
        state = watched_inputs(plan, cache)
    except UsageError:
        # Another command line is needed.
        raise
    except FreezerError as error:
        return Look(error, None, {}, time.monotonic() - begun)
    sources = {name: state_of(name) for name in sources_of(plan, cache)}
    printed_to = {_identity(os.fstat(number)) for number in PRINTED_TO}
    for group in (state["files"], sources):
        # A file beside the sources that freezer prints to would be changed by each line about a change.
        for name in [name for name in group if os.path.exists(name) and _identity(os.stat(name)) in printed_to]:
            del group[name]
    return Look(plan, state, sources, time.monotonic() - begun)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _described(built: Built, seconds: float) -> str:
    from freezer.base.log import human_size

    if built.unchanged:
        return f"{built.path} is up to date"
    proof = "not verified" if built.proof is None else built.proof.sentence
    return f"{built.path}: {human_size(built.size)} in {seconds:.1f} s, {proof}"


def _refuse_streams(plan: Plan) -> None:
    from freezer.base.streams import is_stream

    outputs = (plan.sbom, plan.signing.provenance, plan.image.output if plan.image is not None else None)
    if any(path is not None and is_stream(path) for path in outputs):
        raise UsageError("--watch makes its results many times, and writes none to a stream", hint="name a file")
