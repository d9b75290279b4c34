"""The origin of an executable, for its image: metadata, revision, and the time of its newest input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from freezer.application.entry import Application
from freezer.application.inputs import revision_of
from freezer.application.metadata import Metadata
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind
from freezer.plan.requirements import tree_signature


@dataclass(frozen=True)
class Origin:
    """Where an executable comes from. ``newest`` is the newest input's time, in seconds since 1970, None if unknown."""

    metadata: Optional[Metadata]
    revision: Optional[str]
    newest: Optional[int]


def origin_of(plan: Plan, application: Application) -> Origin:
    """Return the origin that an image states for the executable."""
    paths = [*plan.requirements, *plan.constraints, *plan.added_paths()]
    if plan.entry.kind is EntryKind.PROJECT and plan.entry.path is not None:
        paths.append(plan.entry.path)
    else:
        paths += [path for path in (plan.entry.path, *application.own_files) if path is not None and path.is_file()]
    times = [time for path in paths for _, _, time in tree_signature(path)]
    return Origin(application.metadata, revision_of(plan), max(times) // 10**9 if times else None)
