"""Kept bundles that a build reads: they stay as long as it holds them.

The lock is on the directory itself (flock(2)), as of all in the cache that is in use.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from freezer.base.job import Job
from freezer.link.alterable import Unusable

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def held_bundle(home: Path) -> int:
    """Return a descriptor that holds what is kept, until it is closed. Raises Unusable if another build is about to
    replace it, OSError if it is not there."""
    held = os.open(home, FOLDER)
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(held), os.stat(home)):
            raise BlockingIOError
    except OSError as error:
        os.close(held)
        raise Unusable("another build has replaced it") from error
    return held


def remove_bundle(home: Path, job: Job) -> bool:
    """Remove what is kept, with the work directory; return False if a build holds it."""
    descriptor = os.open(home, FOLDER)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(home, job.folder("replaced") / home.name)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
