"""Write a result in one step at the end, and check before the slow work that this is possible.

The temporary file beside the target is locked as long as its writer lives, so a file that can be locked is litter.
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
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from freezer.base.errors import OutputError
from freezer.base.log import Log

CHUNK = 1 << 20


MAX_NAME = 255
"""The longest file name, in bytes, on the usual file systems of Linux (NAME_MAX)."""


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
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
    """Check before the slow work that ``target`` can be written, by writing a temporary file beside it.

    Raises OutputError. Does not make missing directories: ``replacing`` does, when the result is written.
    """
    try:
        # Not Path.is_dir(): in some versions of Python it raises for a name that is too long.
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
            # Not empty, as a full file system still has room for a name.
            probe.write_bytes(b"\0")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(target, error) from error


@contextlib.contextmanager
def replacing(target: Path, *, mode: int) -> Iterator[IO[bytes]]:
    """Open a new file that replaces ``target`` in one step when the block ends without an error: readers see the old
    file or the whole new one.

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


def publish_executable(source: Path, target: Path, log: Log) -> None:
    """Put the executable in its place, and log its path. Raises OutputError."""
    with log.step("publish") as step:
        publish(source, target, mode=0o755)
        step.result = str(target)


def _cannot_write(target: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = f"free some space on the file system of {target.parent}, or choose another place with -o"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "choose a writable place with -o"
    else:
        hint = "choose another place with -o"
    return OutputError(f"cannot write {target}: {error.strerror}", why=str(error), hint=hint)


def full_disk(error: OSError, place: Path) -> OutputError:
    """Return the error for a disk that filled up; it names the file system that is full."""
    mount = place
    while not os.path.ismount(mount) and mount != mount.parent:
        mount = mount.parent
    return OutputError(
        f"no space left on {mount}",
        why=str(error),
        hint="free some space there; XDG_CACHE_HOME moves freezer's work to another file system",
    )
