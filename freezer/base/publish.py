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
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from freezer.base.errors import OutputError, UsageError
from freezer.base.log import Log
from freezer.base.places import Place
from freezer.base.shortage import FULL
from freezer.base.streams import is_stream, is_terminal, open_stream

CHUNK = 1 << 20

TAR_MAGIC, TAR_MAGIC_PLACE = b"ustar", 257
"""What a tar has at this byte (POSIX.1, ustar interchange format)."""

PAGE_START = "<!DOCTYPE html>\n<!-- made by freezer -->\n"
"""How the pages begin that freezer writes, which tells them from an application's own."""
BILLS = (b'{"$schema":"http://cyclonedx.org/', b'{"SPDXID":"SPDXRef-DOCUMENT"')
"""What freezer's bills of materials begin with, in CycloneDX and in SPDX."""
STATEMENTS = (b'{"_type":"https://in-toto.io/Statement/v1"', b'{"payloadType":"application/vnd.in-toto+json"')
"""What freezer's provenance begins with, as it is, and signed."""

MAX_NAME = 255
"""The longest file name, in bytes, on the usual file systems of Linux (NAME_MAX)."""


def digest_file(path: Place) -> str:
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
    return f"{_temporary_start(target)}{os.urandom(4).hex()}.tmp"


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


def check_target(target: Path, *, stream: bool = False) -> None:
    """Check before the slow work that ``target`` can be written, by writing a temporary file beside it.

    With ``stream``, it may be a pipe or such; otherwise only a regular file or a link may be replaced. Raises
    OutputError; UsageError for a terminal. Does not make missing directories: ``replacing`` does, when the result is
    written.
    """
    if is_stream(target):
        _check_stream(target, allowed=stream)
        return
    try:
        # Not Path.is_dir(): in some versions of Python it raises for a name that is too long.
        if os.path.isdir(target) and not os.path.islink(target):
            hint = f"name a file in it: -o {target / 'NAME'}"
            raise OutputError(f"cannot write {target}: it is a directory", hint=hint)
        if os.path.lexists(target) and not _replaceable(target):
            raise OutputError(f"cannot write {target}: it is not a regular file", hint="choose another place with -o")
        if len(os.fsencode(target.name)) > MAX_NAME:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(target))
        if target.parent.is_dir():
            sweep_beside(target)
        parent = target.parent
        while not os.path.exists(parent) and parent != parent.parent:
            if os.path.islink(parent):
                raise OSError(errno.ENOENT, "a directory above it is a link that leads nowhere", str(parent))
            parent = parent.parent
        probe = parent / _temporary_name(target)
        try:
            # Not empty, as a full file system still has room for a name.
            probe.write_bytes(b"\0")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(target, error) from error


def _replaceable(target: Path) -> bool:
    mode = os.lstat(target).st_mode
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _check_stream(target: Path, *, allowed: bool) -> None:
    if not allowed:
        raise OutputError(
            f"cannot write {target}: it is not a regular file",
            why="this result is put into its place in one step, which only a file allows",
            hint="choose another place with -o",
        )
    if is_terminal(target):
        raise UsageError(
            f"cannot write to {target}: it is a terminal",
            hint="give the name of a file, or send the output to a program: freezer image FILE -o - | docker load",
        )


@contextlib.contextmanager
def writing(target: Path, *, mode: int) -> Iterator[IO[bytes]]:
    """Open a target for writing: a stream in place, anything else as ``replacing`` does. Raises OutputError."""
    if not is_stream(target):
        with replacing(target, mode=mode) as out:
            yield out
        return
    try:
        with open_stream(target) as out:
            yield out
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
        _make_folders(target.parent)
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
        # What cannot be removed is swept by the next build.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _make_folders(folder: Path) -> None:
    """Make a directory and those above it, however many: those of the library call themselves for each."""
    missing = []
    while not os.path.isdir(folder) and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            path.mkdir()


def is_result(path: Path) -> bool:
    """Tell whether a file may be an earlier result: it is empty, an executable, a tar as images are, a page, a bill of
    materials, or a provenance."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        with open(path, "rb") as file:
            start = file.read(TAR_MAGIC_PLACE + len(TAR_MAGIC))
    except OSError:
        return False
    begun = (b"\x7fELF", PAGE_START.encode(), *BILLS, *STATEMENTS)
    return not start or start.startswith(begun) or start[TAR_MAGIC_PLACE:] == TAR_MAGIC


def publish(source: Path, target: Path, *, mode: int) -> None:
    """Put a copy of ``source`` at ``target`` in one step. Raises OutputError, as ``replacing`` does."""
    import shutil

    with replacing(target, mode=mode) as out, open(source, "rb") as file:
        shutil.copyfileobj(file, out, CHUNK)


def publish_executable(source: Path, target: Path, log: Log) -> None:
    """Put the executable in its place, and log its path. Raises OutputError."""
    with log.step("publish") as step:
        publish(source, target, mode=0o755)
        step.result = str(target)


def _cannot_write(target: Path, error: OSError) -> OutputError:
    if error.errno in FULL:
        hint = f"free some space on the file system of {target.parent}, or choose another place with -o"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "choose a writable place with -o"
    else:
        hint = "choose another place with -o"
    return OutputError(f"cannot write {target}: {error.strerror}", why=str(error), hint=hint)
