"""Removing directory trees that others filled, and nothing else.

Every step goes through descriptors of directories that were opened without following links. So a link is removed as
such, also one that takes the place of a directory meanwhile, and no mode of anything outside is changed. However deep a
tree is, only a few directories of it are open at once.

Standard library only, as the programs of ``isolation`` stand on it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from typing import Optional

PLACE = os.O_PATH | os.O_CLOEXEC
"""Flags for what is neither read nor written: no pipe is waited for, no device woken."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
DEEPEST = 64
"""Directories that are open at once; what is deeper is moved up first."""


def reached(descriptor: int) -> str:
    """Return a path of the file that a descriptor stands for, wherever it is by now (proc_pid_fd(5))."""
    return f"/proc/self/fd/{descriptor}"


def remove(parent: int, name: str) -> None:
    """Remove an entry of the directory ``parent``, and all below it if it is a directory; no link is followed.

    As much as possible is removed, also where directories are read-only. Raises OSError for what is left.
    """
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    with _opened_to_change(parent, name) as folder:
        moved = True
        while moved:
            failure, moved = _emptied(folder, folder, DEEPEST)
    if failure is not None:
        raise failure
    os.rmdir(name, dir_fd=parent)


def _emptied(folder: int, top: int, deeper: int) -> tuple[Optional[OSError], bool]:
    """Remove what is in a directory; return the first failure, and whether something was moved up to ``top``."""
    failure: Optional[OSError] = None
    moved = False
    for name in os.listdir(folder):
        try:
            if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=folder)
                continue
            with _opened_to_change(folder, name) as below:
                if deeper == 0:
                    os.rename(name, f".{secrets.token_hex(8)}", src_dir_fd=folder, dst_dir_fd=top)
                    moved = True
                    continue
                failed, further = _emptied(below, top, deeper - 1)
            failure, moved = failure or failed, moved or further
            if failed is None:
                os.rmdir(name, dir_fd=folder)
        except OSError as error:
            failure = failure or error
    return failure, moved


@contextlib.contextmanager
def _opened_to_change(parent: int, name: str) -> Iterator[int]:
    """Open a directory whose entries are to be removed, which its owner may not be allowed to do."""
    with contextlib.ExitStack() as stack:
        place = os.open(name, PLACE | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        stack.callback(os.close, place)
        if os.fstat(place).st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with contextlib.suppress(OSError):
                os.chmod(reached(place), stat.S_IRWXU)
        folder = os.open(".", FOLDER, dir_fd=place)
        stack.callback(os.close, folder)
        yield folder
