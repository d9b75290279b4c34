"""Directories that freezer writes to: the cache with its locks, and the work directory of each job.

A work directory is held by an flock on itself as long as the job, or any tool that it started, lives (tools inherit the
descriptor). So a directory that can be locked is litter, whatever its age.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Optional

from freezer.base.errors import EnvironmentFailure, OutputError, ToolError, VerificationError
from freezer.base.job import BuildLog, Job
from freezer.base.log import Log
from freezer.base.processes import signals_held
from freezer.base.removal import remove_tree
from freezer.base.shortage import FULL, is_shortage, shortage

FOLDERS = (
    "work",
    "env",
    "toolchain",
    "analysis",
    "packed",
    "bundles",
    "facts",
    "roots",
    "images",
    "pip",
    "record",
    "log",
)
"""The directories of the cache."""
KEPT_LOGS = 20
HOLD_ATTEMPTS = 10
"""Attempts to make an item of the cache that other processes may remove before it is held."""
OWN = "/freezer"
"""The directory of freezer's own files in another system that a build runs in."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold an exclusive lock on the file ``path``, waiting for it; it is created as needed and never removed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def workspace(cache: Path, name: str, *, keep: bool, log: Log) -> Iterator[Job]:
    """Begin a job: sweep the directories of killed builds, and make a work directory in the cache, which is removed at
    the end unless ``keep``.

    Raises EnvironmentFailure if the cache cannot be written to.
    """
    work: Optional[Path] = None
    held = -1
    build_log: Optional[BuildLog] = None
    holding = contextlib.ExitStack()
    try:
        with signals_held():
            try:
                for folder in FOLDERS:
                    (cache / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
                with locked(cache / "work.lock"):
                    abandoned = claim_abandoned(cache / "work", holding)
                    # Some tools do not support all paths: venv refuses ":", make and spec files fail with spaces.
                    safe = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:40]
                    work = cache / "work" / f"{safe}-{secrets.token_hex(4)}"
                    work.mkdir(mode=0o700)
                    held = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
                    fcntl.flock(held, fcntl.LOCK_EX)
                _prune_logs(cache / "log")
                build_log = BuildLog(cache / "log" / f"{work.name}.log")
            except OSError as error:
                raise EnvironmentFailure(
                    f"cannot work in {cache}: {error.strerror}",
                    why=str(error),
                    hint="set XDG_CACHE_HOME to a directory that you can write to and that has a few GB left",
                ) from error
        # Gigabytes, maybe: other builds begin meanwhile, and Ctrl-C works.
        for path in abandoned:
            log.detail(f"removing the work directory of a build that was killed: {path.name}")
            remove_tree(path)
        with contextlib.ExitStack() as items:
            job = Job(log, cache, work, held, build_log, items)
            with _shortages_named(job):
                yield job
    finally:
        holding.close()
        if work is not None and keep:
            log.line(f"the work directory is kept: {work}")
        if work is not None and not keep:
            remove_tree(work)
        if held >= 0:
            os.close(held)
        if build_log is not None:
            build_log.drop_if_empty()


def lock_of(home: Path) -> Path:
    """Return the lock file of a root, an environment or a toolchain."""
    return home.with_name(f"{home.name}.lock")


def is_held(path: Path) -> bool:
    """Return whether a process holds a lock on a file or directory. If the lock's state is unknown, treat it as
    held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def hold(job: Job, lock: Path, *, usable: Callable[[], bool], make: Callable[[], None], anew: bool = False) -> bool:
    """Hold an item of the cache, shared with other jobs, so that it stays until this job ends.

    ``usable`` returns whether it exists; ``make`` makes it, under an exclusive lock; with ``anew`` it is made even if
    it exists. Returns whether it existed. ``lock`` is its lock file.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    job.holding.callback(os.close, descriptor)
    made = False
    for _ in range(HOLD_ATTEMPTS):
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if _there(usable) and (made or not anew):
            return not made
        # The shared lock is released first: two builds that both hold it would wait for each other for ever.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if (anew and not made) or not _there(usable):
            make()
            made = True
    raise RuntimeError(f"the item of {lock} was made repeatedly, and was removed each time")


def put_in_place(made: Path, home: Path, job: Job) -> None:
    """Move an item of the cache, complete in the work directory, to its place.

    What is there is moved to the work directory and goes with that: at no moment, whenever this process is killed, is
    there a part of an item. Call it with the item's lock held.
    """
    if os.path.lexists(home):
        os.rename(home, job.folder("replaced") / home.name)
    os.rename(made, home)


def _there(usable: Callable[[], bool]) -> bool:
    try:
        return usable()
    except OSError:
        return False


@contextlib.contextmanager
def _shortages_named(job: Job) -> Iterator[None]:
    """Name what the system lacks: also the file system that is full, if a tool found it full."""
    try:
        yield
    except OSError as error:
        if is_shortage(error):
            raise shortage(error, job.work) from error
        raise
    except (EnvironmentFailure, ToolError, VerificationError) as error:
        if os.strerror(errno.ENOSPC) in (error.why or ""):
            raise shortage(OSError(errno.ENOSPC, error.why), job.work) from error
        raise


@contextlib.contextmanager
def reading(path: Path, what: str, cache: Path, log: Log) -> Iterator[Job]:
    """Begin a job that reads ``path``; ``what`` is the command. Raises OutputError if there is no room for it."""
    with workspace(cache, what, keep=False, log=log) as job:
        try:
            yield job
        except OSError as error:
            if error.errno in FULL:
                raise
            raise OutputError(f"cannot {what} {path}: {error.strerror}", why=str(error)) from error


def sweep(parent: Path) -> None:
    """Remove the subdirectories of ``parent`` that no living process holds."""
    with contextlib.ExitStack() as holding:
        for path in claim_abandoned(parent, holding):
            remove_tree(path)


def claim_abandoned(parent: Path, holding: contextlib.ExitStack) -> list[Path]:
    """Return the subdirectories of ``parent`` that no living process holds; they are this process's as long as
    ``holding``."""
    claimed = []
    for path in parent.iterdir():
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        holding.callback(os.close, descriptor)
        claimed.append(path)
    return claimed


def _prune_logs(folder: Path) -> None:
    """Remove all logs but the newest, as other builds may do at the same time."""
    logs = []
    for path in folder.glob("*.log"):
        with contextlib.suppress(FileNotFoundError):
            logs.append((path.stat().st_mtime, path))
    for _, path in sorted(logs, reverse=True)[KEPT_LOGS - 1 :]:
        path.unlink(missing_ok=True)
