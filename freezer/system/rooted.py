"""Paths in a file system that is not mounted at ``/``: a chroot's, an image's.

An absolute symbolic link in such a root means a place in the root. Outside of the root, the kernel would resolve it
on the host, and a library of the host could get into a bundle of another system.
"""

from __future__ import annotations

import os
from pathlib import Path

MAX_LINKS = 40
"""As many as the kernel follows in one path (path_resolution(7))."""


def within(root: Path, path: Path) -> Path:
    """Resolve ``path``, which is below ``root``, as a process with that root directory would.

    What does not exist is returned as it stands. Raises OSError (ELOOP) for links that lead round in circles.
    """
    if root == Path("/"):
        return Path(os.path.realpath(path))
    todo = list(path.relative_to(root).parts)
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part in (".", "/"):
            continue
        if part == "..":
            del done[-1:]
            continue
        place = root.joinpath(*done, part)
        try:
            target = os.readlink(place)
        except OSError:
            done.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError(f"too many levels of symbolic links: {path}")
        if target.startswith("/"):
            done = []
        todo[:0] = [item for item in target.split("/") if item]
    return root.joinpath(*done)
