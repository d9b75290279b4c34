"""The files of a project, as its wheel has them: unpacked below the work directory of each build.

What builds a wheel may read anything, so it is built each time. What an analysis sees of the project is the wheel,
whose files have another place and other times in each build: they are known by what is in them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Optional

from freezer.application.entry import Application
from freezer.base.job import Job
from freezer.base.places import is_link, walk
from freezer.base.publish import digest_file
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind

INFO, LISTED = ".dist-info", "RECORD"
"""The directory that describes a distribution, and the file in it that lists all files, with their digests."""
OF_INSTALLATION = frozenset(("INSTALLER", "REQUESTED", "direct_url.json"))
"""Files in that directory that say where it was installed from, and go into no bundle."""


def is_unpacked(path: str, job: Job) -> bool:
    """Return whether a file is below the work directory, where a build has put it."""
    return path.startswith(f"{job.work}/")


def content_of(path: str, job: Job) -> Optional[str]:
    """Return the digest of a file that a build has unpacked; None for one that is not from there."""
    return digest_file(path) if is_unpacked(path, job) else None


def unpacked_state(plan: Plan, application: Application, apart: Collection[str]) -> dict[str, list[str]]:
    """Return what is in each file of a project's wheel, but for the files ``apart``; nothing for other entries."""
    if plan.entry.kind is not EntryKind.PROJECT:
        return {}
    found: dict[str, list[str]] = {}
    for top in map(str, application.search):
        for directory, folders, names in walk(top):
            links = [name for name in folders if is_link(os.path.join(directory, name))]
            for name in (*names, *links):
                path = os.path.join(directory, name)
                if path not in apart:
                    found[path] = _state(path)
    return found


def _state(path: str) -> list[str]:
    folder, name = os.path.split(path)
    if os.path.islink(path):
        return ["link", os.readlink(path)]
    if folder.endswith(INFO) and name in OF_INSTALLATION:
        return ["of the installation"]
    if folder.endswith(INFO) and name == LISTED:
        # Its digests are those of the files, each of which is known by its own.
        lines = Path(path).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        return ["files", *sorted(line.rpartition(",sha256=")[0] or line for line in lines)]
    return ["file", digest_file(path), f"{os.stat(path).st_mode & 0o111:o}"]


def renamed(value: Any, rename: Callable[[str], str]) -> Any:
    """Return a value of JSON with all its texts, and the names in its objects, renamed."""
    if isinstance(value, str):
        return rename(value)
    if isinstance(value, dict):
        return {rename(name): renamed(item, rename) for name, item in value.items()}
    return [renamed(item, rename) for item in value] if isinstance(value, list) else value
