"""Remove freezer's own directory trees, even if parts are read-only or belong to other users."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from freezer.base.isolation import REMOVER
from freezer.base.processes import run_quietly
from freezer.base.tools import own_python


def remove_tree(path: Path) -> None:
    """Remove one of freezer's own directories, even if a build left parts of it read-only."""
    for directory, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(directory, 0o700)
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        # A package manager that ran in a user namespace gave files to users that exist only there.
        remove_as_others(path)


def remove_as_others(path: Path) -> None:
    """Remove a directory tree of which parts belong to users of a user namespace. Failing to remove it is not an
    error."""
    run_quietly([own_python(), "-I", "-S", str(REMOVER), str(path)])
