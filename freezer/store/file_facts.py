"""What was found out about files of the system, such as a digest: kept for as long as nothing has touched the files.

A file counts as the same if its place, its inode, its size and both its times are the same: the time of the inode's
change (``st_ctime``), which the kernel sets, cannot be set to anything else. What is kept is a function of the files.

Layout of a file, whose name is the SHA-256 of what it is about: the SHA-256 of the rest in hexadecimal digits, a line
feed, the text.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Optional

from freezer.base.job import Job
from freezer.base.publish import digest_file

LAYOUT = 1
"""Part of every key; raised when what is kept, or how it is found, changes."""
FOLDER = "facts"
DAY = 24 * 3600
KEPT = 30 * DAY
"""Seconds after its last use for which a fact is kept."""


def state_of(path: Path) -> list[object]:
    """Return what identifies the content of a file, or of a link and what it leads to; a path that is not there has
    a state, too."""
    found: list[object] = [str(path)]
    for look in (os.lstat, os.stat):
        try:
            status = look(path)
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return found


def fact(
    kind: str, paths: Iterable[Path], find: Callable[[], str], job: Job, *, holds: Callable[[str], bool] = bool
) -> str:
    """Return what ``find`` finds out about files, or has found in an earlier build, if that still ``holds``; ``kind``
    says what it is."""
    about = repr((LAYOUT, kind, [state_of(path) for path in paths]))
    place = job.cache / FOLDER / hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()
    known = _read(place)
    if known is not None and holds(known):
        return known
    found = find()
    # Without it the next build finds it out again.
    with contextlib.suppress(OSError):
        data = found.encode("utf-8", "surrogateescape")
        aside = job.write(f"{FOLDER}/{place.name}", "")
        aside.write_bytes(hashlib.sha256(data).hexdigest().encode() + b"\n" + data)
        os.replace(aside, place)
        _sweep(place.parent)
    return found


def known_digest(path: Path, job: Job) -> str:
    """Return the SHA-256 of a file in hexadecimal. Raises OSError."""
    return fact("sha256", [path], lambda: digest_file(path), job)


def _read(place: Path) -> Optional[str]:
    try:
        with open(place, "rb") as file:
            digest, _, data = file.read().partition(b"\n")
            used = os.fstat(file.fileno()).st_mtime
    except OSError:
        return None
    if hashlib.sha256(data).hexdigest().encode() != digest:
        return None
    if time.time() - used > DAY:
        with contextlib.suppress(OSError):
            os.utime(place)
    return data.decode("utf-8", "surrogateescape")


def _sweep(folder: Path) -> None:
    for path in folder.iterdir():
        if time.time() - path.stat().st_mtime > KEPT:
            path.unlink()
