"""Directories that a build writes to: the cache, its locks, the work directory, and the atomic publication.

A work directory is held by an flock on itself for as long as the build or any tool it started lives (the descriptor
is inherited), so a directory that can be locked is litter, whatever its age. The same holds for the temporary file
beside the output.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from freezer.errors import EnvironmentFailure, OutputError
from freezer.tools import BuildLog, remove_as_others, signals_held

KEPT_LOGS = 20
HOLD_ATTEMPTS = 10
"""How often something of the cache is made that others may remove before it can be held."""
CHUNK = 1 << 20
MAX_NAME = 255
"""The longest file name, in bytes, on every file system of Linux that matters (NAME_MAX)."""


def cache_root() -> Path:
    """The user's cache directory for freezer (XDG Base Directory specification)."""
    import platformdirs

    return Path(platformdirs.user_cache_path("freezer"))


@contextlib.contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold an exclusive lock on the file ``path``, waiting for it; it is created as needed and never removed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Workspace:
    """Where one build works. ``held`` is the descriptor that keeps the directory from being swept; ``holding`` ends
    with the build."""

    cache: Path
    work: Path
    held: int
    build_log: BuildLog
    holding: contextlib.ExitStack

    def folder(self, name: str) -> Path:
        """A directory of that name in the work directory, made as needed."""
        path = self.work / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def hold(self, lock: Path, *, usable: Callable[[], bool], make: Callable[[], None], anew: bool = False) -> bool:
        """Have something of the cache, shared with other builds, that nobody removes before this build ends.

        ``usable`` tells whether it is there, and ``make`` makes it, while nobody else has it; with ``anew`` it is made
        although it is there. Returns whether it was there. ``lock`` is the file whose lock stands for it.
        """
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.holding.callback(os.close, descriptor)
        made = False
        for _ in range(HOLD_ATTEMPTS):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if _there(usable) and (made or not anew):
                return not made
            # Not by way of the shared lock: two builds that both hold it would wait for each other for ever.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if (anew and not made) or not _there(usable):
                make()
                made = True
        raise RuntimeError(f"what {lock} stands for was made again and again, and is never there")


def _there(usable: Callable[[], bool]) -> bool:
    try:
        return usable()
    except OSError:
        return False


@contextlib.contextmanager
def workspace(cache: Path, name: str, *, keep: bool) -> Iterator[Workspace]:
    """Make a work directory in the cache, sweep what killed builds left, and remove it at the end unless ``keep``.

    Raises EnvironmentFailure if the cache cannot be written to.
    """
    work: Optional[Path] = None
    held = -1
    try:
        with signals_held():
            try:
                for folder in ("work", "env", "roots", "pip", "record", "log"):
                    (cache / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
                with locked(cache / "work.lock"):
                    sweep(cache / "work")
                    # Tools are particular about paths: venv refuses ":", make and specs trip over spaces.
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
        with contextlib.ExitStack() as holding:
            yield Workspace(cache, work, held, build_log, holding)
    finally:
        if work is not None and not keep:
            remove_tree(work)
        if held >= 0:
            os.close(held)


def sweep(parent: Path) -> None:
    """Remove the subdirectories of ``parent`` that no living process holds."""
    for path in parent.iterdir():
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            remove_tree(path)
        finally:
            os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a directory of ours, also where a build left parts of it read-only."""
    for directory, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(directory, 0o700)
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        # A package manager that ran in a user namespace gave files to users that only exist there.
        remove_as_others(path)


def _prune_logs(folder: Path) -> None:
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs[KEPT_LOGS - 1 :]:
        path.unlink(missing_ok=True)


def digest_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
    return hasher.hexdigest()


def _temporary_start(target: Path) -> str:
    # Shortened in bytes, so that a target of the longest allowed name can still be written.
    return f".{os.fsdecode(os.fsencode(target.name)[:200])}.freezer-"


def _temporary_name(target: Path) -> str:
    return f"{_temporary_start(target)}{secrets.token_hex(4)}.tmp"


def sweep_beside(target: Path) -> None:
    """Remove the temporary files that killed builds left beside ``target``; a file in use is locked by its writer."""
    ours = re.compile(re.escape(_temporary_start(target)) + r"[0-9a-f]{8}\.tmp")
    for path in target.parent.iterdir():
        if not ours.fullmatch(path.name):
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except OSError:
            continue
        finally:
            os.close(descriptor)


def check_target(target: Path) -> None:
    """Find out before the slow work whether ``target`` can be written, by writing a temporary file where it will be.

    Raises OutputError. Missing directories are made only when there is something to put into them.
    """
    try:
        # Not Path.is_dir(), which raises or not for a name that is too long, depending on Python's version.
        if os.path.isdir(target) and not os.path.islink(target):
            hint = f"name a file in it: -o {target / 'NAME'}"
            raise OutputError(f"cannot write {target}: it is a directory", hint=hint)
        if len(os.fsencode(target.name)) > MAX_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(target))
        if target.parent.is_dir():
            sweep_beside(target)
        parent = target.parent
        while not parent.exists() and parent != parent.parent:
            parent = parent.parent
        probe = parent / _temporary_name(target)
        try:
            # Not empty: a file system that is full still has room for a name.
            probe.write_bytes(b"\0")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(target, error) from error


@contextlib.contextmanager
def replacing(target: Path, *, mode: int) -> Iterator[IO[bytes]]:
    """A new file to write, that takes the place of ``target`` in one step when the block ends without an error:
    whoever looks sees the old file or the whole new one.

    A symbolic link at ``target`` is replaced, never followed; a running executable keeps its old file. ``mode`` is
    reduced by the umask, as for any file a user makes. Raises OutputError; then ``target`` is as it was.
    """
    temporary = target.parent / _temporary_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        umask = os.umask(0)
        os.umask(umask)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            yield out
            out.flush()
            os.fchmod(out.fileno(), mode & ~umask)
            os.fsync(out.fileno())
            os.replace(temporary, target)
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def publish(source: Path, target: Path, *, mode: int) -> None:
    """Put a copy of ``source`` at ``target`` in one step. Raises OutputError, as ``replacing`` does."""
    with replacing(target, mode=mode) as out, open(source, "rb") as file:
        shutil.copyfileobj(file, out, CHUNK)


def _cannot_write(target: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = f"free some space on the file system of {target.parent}, or choose another place with -o"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "choose a place that you may write to with -o"
    else:
        hint = "choose another place with -o"
    return OutputError(f"cannot write {target}: {error.strerror}", why=str(error), hint=hint)


def full_disk(error: OSError, place: Path) -> OutputError:
    """The error for a disk that filled up while working, naming the file system that is full."""
    mount = place
    while not os.path.ismount(mount) and mount != mount.parent:
        mount = mount.parent
    return OutputError(
        f"no space left on {mount}",
        why=str(error),
        hint="free some space there; XDG_CACHE_HOME moves freezer's work to another file system",
    )
