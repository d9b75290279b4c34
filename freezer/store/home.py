"""Where freezer's cache is, which every command asks; apart from ``workspace``, whose imports take longer."""

from __future__ import annotations

import os
from pathlib import Path

from freezer.base.errors import EnvironmentFailure

NAME = "freezer"


def cache_root() -> Path:
    """Return the user's cache directory for freezer (XDG Base Directory specification).

    Raises EnvironmentFailure if the user has neither a home directory nor XDG_CACHE_HOME.
    """
    path = Path(os.environ.get("XDG_CACHE_HOME", "").strip() or os.path.expanduser("~/.cache"), NAME)
    if not path.is_absolute():
        raise EnvironmentFailure(
            "there is no directory for freezer's cache",
            why="HOME is not set, and this user has no home directory",
            hint="set XDG_CACHE_HOME, or HOME, to a directory that can be written",
        )
    # Paths below it are compared with what programs report; ".." behind a link is not what it looks like.
    return Path(os.path.realpath(path)) if ".." in path.parts else path
