"""Remove freezer's own directory trees, even if parts are read-only or belong to other users."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from freezer.base.beneath import opened_top
from freezer.base.dismantle import remove
from freezer.base.isolation import REMOVER, command_of
from freezer.base.processes import run_quietly


def remove_tree(path: Path) -> None:
    """Remove a directory of freezer's own, also where a build left parts of it read-only."""
    with contextlib.suppress(OSError), opened_top(path.parent) as parent:
        remove(parent, path.name)
    if os.path.lexists(path):
        # A package manager that ran in a user namespace gave files to users that exist only there.
        remove_as_others(path)


def remove_as_others(path: Path) -> None:
    """Remove a directory tree of which parts belong to users of a user namespace. Failing to remove it is not an
    error."""
    run_quietly(command_of(REMOVER, path))
