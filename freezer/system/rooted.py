"""Paths and files in a file system that is not mounted at ``/``: a chroot's, an image's.

An absolute symbolic link in such a root means a place in the root. Outside of the root, the kernel would resolve it
on the host, and a file of the host could get into a bundle of another system. So all that is read of a root is opened
below it (``base.beneath``), and only what is a regular file is read: a pipe would keep a build waiting.
"""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import posixpath
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Optional

from freezer.base import beneath
from freezer.base.places import passing_over

MAX_TEXT = 1 << 20
"""Bytes of a file of configuration; what is longer is cut off."""
MAX_DEPTH = 16
"""Levels of directories that are copied: links may lead round in circles."""


def place(root: Path, name: str) -> Path:
    """Return the host's path of a name in the root, which links in it may lead elsewhere; ``..`` stays in the root."""
    return root / posixpath.normpath(f"/{name}").lstrip("/")


def within(root: Path, path: Path) -> Path:
    """Resolve ``path``, which is below ``root``, as a process with that root directory would.

    What does not exist is returned as it stands. Raises OSError (ELOOP) for links that lead round in circles.
    """
    if root == Path("/"):
        return Path(os.path.realpath(path))
    name = str(path.relative_to(root))
    with contextlib.ExitStack() as stack:
        try:
            top = stack.enter_context(beneath.opened_top(root))
        except (FileNotFoundError, NotADirectoryError):
            return place(root, name)
        return place(root, beneath.resolved(top, name))


def status_of(root: Path, path: Path) -> Optional[os.stat_result]:
    """Return the status of what a process in the root finds at ``path``; None if it finds nothing."""
    with (
        passing_over(),
        beneath.opened_top(root) as top,
        beneath.opened_below(top, str(path.relative_to(root))) as found,
    ):
        return os.fstat(found)
    return None


def is_file(root: Path, path: Path) -> bool:
    """Return whether a process in the root finds a regular file at ``path``."""
    status = status_of(root, path)
    return status is not None and stat.S_ISREG(status.st_mode)


def is_folder(root: Path, path: Path) -> bool:
    """Return whether a process in the root finds a directory at ``path``."""
    status = status_of(root, path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def opened(root: Path, path: Path) -> IO[bytes]:
    """Open a regular file as a process in the root finds it. Raises OSError, also for anything else."""
    with beneath.opened_top(root) as top:
        return beneath.open_file(top, str(path.relative_to(root)))


def text_of(root: Path, path: Path) -> str:
    """Return the text of a file. Raises OSError."""
    with opened(root, path) as file:
        return file.read(MAX_TEXT).decode("utf-8", "replace")


def names(root: Path, path: Path) -> list[str]:
    """Return the sorted names in a directory; none if there is no such directory."""
    with passing_over(), beneath.opened_top(root) as top:
        return beneath.names_in(top, str(path.relative_to(root)))
    return []


def matches(root: Path, pattern: str) -> Iterator[Path]:
    """Yield the paths that a pattern (glob(7)) of names in the root stands for, sorted in each directory."""
    found = [root]
    for part in posixpath.normpath(f"/{pattern}").split("/"):
        if glob.has_magic(part):
            found = [
                place(root, f"{folder.relative_to(root)}/{name}")
                for folder in found
                for name in names(root, folder)
                if fnmatch.fnmatchcase(name, part) and not name.startswith(".")
            ]
        else:
            found = [place(root, f"{folder.relative_to(root)}/{part}") for folder in found]
    for path in found:
        if status_of(root, path) is not None:
            yield path


def copy_file(root: Path, path: Path, target: Path) -> None:
    """Copy a regular file out of the root, with its permissions and its time. Raises OSError."""
    with opened(root, path) as source, open(target, "xb") as copy:
        shutil.copyfileobj(source, copy)
        status = os.fstat(source.fileno())
        os.fchmod(copy.fileno(), status.st_mode & 0o777)
        copy.flush()
        os.utime(copy.fileno(), ns=(status.st_mtime_ns, status.st_mtime_ns))


def copy_folder(root: Path, path: Path, target: Path, *, depth: int = MAX_DEPTH) -> None:
    """Copy a directory with the files below it into the new directory ``target``; what is not a file is left out."""
    target.mkdir()
    for name in names(root, path):
        source = path / name
        if is_file(root, source):
            copy_file(root, source, target / name)
        elif is_folder(root, source) and depth:
            copy_folder(root, source, target / name, depth=depth - 1)
