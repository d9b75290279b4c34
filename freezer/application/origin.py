"""The origin of an executable, for its image: metadata, revision, and the time of its newest input.

The time of a file in a git repository is its commit's, so that every clone gives the same image; the modification time
of such a file is when it was checked out.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from freezer.application.inputs import revision_of
from freezer.application.metadata import Metadata
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind
from freezer.plan.trees import repository_of, tree_signature

if TYPE_CHECKING:
    from freezer.application.entry import Application
    from freezer.base.job import Job
    from freezer.plan.image import ImagePlan


@dataclass(frozen=True)
class Origin:
    """Where an executable comes from. ``newest`` is the newest input's time, in seconds since 1970, None if unknown."""

    metadata: Optional[Metadata]
    revision: Optional[str]
    newest: Optional[int]


def origin_of(plan: Plan, application: Application, job: Job) -> Origin:
    """Return the origin that an image states for the executable."""
    paths = [*plan.requirements, *plan.constraints, *plan.added_paths()]
    if plan.entry.kind is EntryKind.PROJECT and plan.entry.path is not None:
        paths.append(plan.entry.path)
    else:
        paths += [path for path in (plan.entry.path, *application.own_files) if path is not None and path.is_file()]
    return Origin(application.metadata, revision_of(plan), newest_of(paths, job))


def with_files(origin: Origin, plan: ImagePlan, job: Job) -> Origin:
    """Return the origin of an image that has files beside the executable: they may be newer."""
    if not plan.files:
        return origin
    newest = newest_of((item.source for item in plan.files), job)
    times = [time for time in (origin.newest, newest) if time is not None]
    return dataclasses.replace(origin, newest=max(times, default=None))


def newest_of(paths: Iterable[Path], job: Job) -> Optional[int]:
    """Return the time of the newest of these files and directories, in seconds since 1970."""
    committed: dict[Path, Optional[int]] = {}
    times = set()
    for path in paths:
        top = repository_of(path)
        if top is not None and top not in committed:
            committed[top] = _committed(top, job)
        time = committed[top] if top is not None else None
        times |= {time} if time is not None else {time // 10**9 for _, _, time, _ in tree_signature(path)}
    return max(times, default=None)


def _committed(repository: Path, job: Job) -> Optional[int]:
    """Return the time of a repository's commit; None without git, and if tracked files differ from the commit."""
    import shutil

    if shutil.which("git") is None:
        return None
    # The repository may belong to another user; its configuration shall not start programs.
    git: list[str | Path] = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C", repository]
    what = f"read the commit of {repository}"
    changed = job.run([*git, "status", "--porcelain", "-uno"], what=what, env=_environment(), capture=True, check=False)
    if changed.status != 0 or changed.stdout.strip():
        return None
    shown = job.run([*git, "log", "-1", "--format=%ct"], what=what, env=_environment(), capture=True, check=False)
    return int(shown.stdout) if shown.status == 0 and shown.stdout.strip().isdigit() else None


def _environment() -> dict[str, str]:
    # None that means another repository.
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
