"""Roots that were made of something else, and are kept in the cache: systems to build in, and those of images.

A root is always complete, as it is made in the work directory and then renamed. Whoever uses one holds it meanwhile.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from freezer import __version__
from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job
from freezer.base.shortage import FULL
from freezer.store.inventory import ItemKind, kept_roots
from freezer.store.prune import remove
from freezer.store.workspace import hold, lock_of, put_in_place


def cached_root(
    home: Path, source: str, make: Callable[[Path], None], job: Job, *, anew: bool = False
) -> tuple[Path, bool]:
    """Return the root in the item ``home`` of the cache, and whether it was made just now; it stays as long as
    ``job.holding``.

    ``make`` makes it in a new directory, if there is none yet, or if it is wanted ``anew``; ``source`` says of what.
    Raises EnvironmentFailure.
    """

    def create() -> None:
        aside = job.folder(f"new-root-{home.name}")
        try:
            make(aside / "root")
        except OSError as error:
            if error.errno in FULL:
                raise
            raise EnvironmentFailure(f"cannot unpack {source}: {error.strerror}", why=str(error)) from error
        facts = {"source": source, "made": int(time.time()), "freezer": __version__}
        (aside / "origin.json").write_text(json.dumps(facts), encoding="utf-8")
        put_in_place(aside, home, job)

    reused = hold(job, lock_of(home), usable=(home / "origin.json").is_file, make=create, anew=anew)
    os.utime(home)
    return home / "root", not reused


def drop_unused(cache: Path, kind: ItemKind, kept: int) -> None:
    """Remove roots of a kind but for the ``kept`` that were used last; those in use stay."""
    items = sorted(kept_roots(cache, kind), key=lambda item: item.last_used, reverse=True)
    for item in items[kept:]:
        if not item.in_use:
            remove(cache, item)
