"""The program that removes a directory, as root of the user namespace whose users own parts of it."""

from __future__ import annotations

import os

from freezer.base.beneath import opened_top
from freezer.base.dismantle import remove
from freezer.base.isolation.namespaces import enter_namespaces
from freezer.base.isolation.system import forked


def main(path: str) -> int:
    """Remove a directory tree; return 0, or 1 if that failed."""
    enter_namespaces()
    folder, name = os.path.split(path)

    def remove_it() -> None:
        with opened_top(folder) as parent:
            remove(parent, name)

    child = forked(remove_it)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
