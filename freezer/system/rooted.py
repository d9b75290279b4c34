"""Paths in a file system that is not mounted at ``/``, such as that of a chroot or an image.

An absolute symbolic link in a root means a place in that root. Outside of the root, the kernel would resolve it on the
host, and a library of the host could get into a bundle of another system.
"""

from __future__ import annotations

import os
from pathlib import Path

MAX_LINKS = 40
"""The number of links that the kernel follows in one path (path_resolution(7))."""


def within(root: Path, path: Path) -> Path:
    """Resolve ``path``, which is below ``root``, as a process with that root directory would.

    Parts that do not exist are kept unchanged. Raises OSError (ELOOP) for a loop of links.
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
