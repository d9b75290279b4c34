"""Places below a directory that others filled: opened, made and read so that nothing leads out of it.

A link in such a directory means a place in it, but the kernel would follow it on the host. So the kernel is asked to
take the directory for the root of every path (RESOLVE_IN_ROOT of openat2(2)). Where that call does not exist, before
Linux 5.6, or is forbidden by a filter of system calls, paths are walked here, part by part, and each link is read.

Standard library only, as the programs of ``isolation`` stand on it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from typing import IO, Optional

from freezer.base.dismantle import FOLDER, PLACE, reached, remove
from freezer.base.isolation.system import LIBC
from freezer.base.places import passing_over
from freezer.base.shortage import raise_shortage

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_LINKS = 40
"""As many as the kernel follows in one path (path_resolution(7))."""
OPENAT2 = 437  # <asm/unistd.h>, on every machine
RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT = 0x02, 0x10  # <linux/openat2.h>
WALK_INSTEAD = (errno.ENOSYS, errno.EPERM, errno.EAGAIN)
"""There is no such call, it may be forbidden, or something was renamed meanwhile."""


class _How(ctypes.Structure):
    """open_how of <linux/openat2.h>."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_below(top: int, path: str, flags: int = PLACE, mode: int = 0) -> int:
    """Open what a process with the root directory ``top``, a descriptor, finds at ``path``; as os.open() does.

    Raises OSError.
    """
    try:
        return _openat2(top, path, flags | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno not in WALK_INSTEAD:
            raise
    exclusive = flags & os.O_CREAT and flags & os.O_EXCL
    with _walked(top, path, follow=not (flags & os.O_NOFOLLOW or exclusive), lenient=False) as (folders, names):
        return os.open(names[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folders[-1])


def _openat2(top: int, path: str, flags: int, mode: int) -> int:
    name = os.fsencode(path)
    if b"\0" in name:
        raise OSError(errno.EINVAL, "there is a null byte in the name", path)
    if not flags & os.O_PATH:
        flags |= os.O_LARGEFILE
    how = _How(flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    numbers = (ctypes.c_long(OPENAT2), ctypes.c_long(top), name, ctypes.byref(how), ctypes.c_long(ctypes.sizeof(how)))
    descriptor = int(LIBC.syscall(*numbers))
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return descriptor


@contextlib.contextmanager
def _walked(top: int, path: str, *, follow: bool, lenient: bool) -> Iterator[tuple[list[int], list[str]]]:
    """Walk to the last part of a path, which is followed if it is a link and ``follow`` is set.

    Gives descriptors of the directories from ``top`` to the last but one, and the names, from the first below ``top``
    to the last, "." for ``top`` itself. ``lenient`` lets parts be missing; they have the descriptor -1.
    """
    if "\0" in path:
        raise OSError(errno.EINVAL, "there is a null byte in the name", path)
    todo = _parts(path)
    folders: list[int] = [top]
    names: list[str] = []
    links = 0
    try:
        while todo:
            part = todo.pop(0)
            if part == "..":
                if len(folders) > 1:
                    _close(folders.pop())
                    names.pop()
                continue
            target = _link_at(folders[-1], part) if todo or follow else None
            if target is not None:
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    while len(folders) > 1:
                        _close(folders.pop())
                    names.clear()
                todo[:0] = _parts(target)
                continue
            if part == ".":
                continue
            if not todo:
                names.append(part)
                yield folders, names
                return
            try:
                folders.append(os.open(part, PLACE | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folders[-1]))
            except OSError as error:
                if not lenient:
                    raise
                raise_shortage(error)
                folders.append(-1)
            names.append(part)
        # It ended with a directory that is open already: that is seen from the one above it.
        if names:
            _close(folders.pop())
        yield folders, names or ["."]
    finally:
        for descriptor in folders[1:]:
            _close(descriptor)


def _parts(path: str) -> list[str]:
    """Return the parts of a path; a "." at the end says that the last one must be a directory."""
    if not path:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    parts = path.split("/")
    end = ["."] if parts[-1] in ("", ".") else []
    return [part for part in parts if part not in ("", ".")] + end


def _link_at(folder: int, name: str) -> Optional[str]:
    """Return the target of a link; None if it is something else, or does not exist."""
    with passing_over():
        return os.readlink(name, dir_fd=folder)
    return None


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


@contextlib.contextmanager
def opened_below(top: int, path: str, flags: int = PLACE) -> Iterator[int]:
    """Open a place as ``open_below`` does, and close it at the end."""
    descriptor = open_below(top, path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened_top(path: str | os.PathLike[str]) -> Iterator[int]:
    """Open a directory of the host's, to reach places below it."""
    descriptor = os.open(path, PLACE | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened_plain(path: str, below: str, flags: int = PLACE) -> Iterator[int]:
    """Open a place below the directory ``path``, or that itself, if ``below`` is empty; no part below it may be a link.

    For freezer's own places that something hostile may have changed. Raises OSError.
    """
    with contextlib.ExitStack() as stack:
        descriptor = os.open(path, PLACE)
        stack.callback(os.close, descriptor)
        parts = below.split("/") if below else []
        for number, part in enumerate(parts, 1):
            wanted = flags if number == len(parts) else PLACE | os.O_DIRECTORY
            descriptor = os.open(part, wanted | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            stack.callback(os.close, descriptor)
        if stat.S_ISLNK(os.fstat(descriptor).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), f"{path}/{below}")
        yield descriptor


def resolved(top: int, path: str) -> str:
    """Return a path without links and ``..`` that means the same in the root ``top``, relative to it.

    What does not exist is returned as it stands. Raises OSError (ELOOP) for links that lead round in circles.
    """
    with _walked(top, path, follow=True, lenient=True) as (_, names):
        return "/".join(names)


def open_file(top: int, path: str) -> IO[bytes]:
    """Open a regular file for reading. Raises OSError for anything else; nothing else is opened on the way."""
    with opened_below(top, path) as place:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        return open(reached(place), "rb")


def names_in(top: int, path: str) -> list[str]:
    """Return the sorted names in a directory. Raises OSError."""
    with opened_below(top, path, FOLDER & ~os.O_NOFOLLOW) as folder:
        return sorted(os.listdir(folder))


def kind_of(top: int, path: str) -> int:
    """Return the type of the file at ``path``, S_IFREG or another (inode(7)); 0 if there is none."""
    with passing_over(), opened_below(top, path) as place:
        return stat.S_IFMT(os.fstat(place).st_mode)
    return 0


def make_folder(top: int, path: str) -> None:
    """Make a directory, and those above it, as needed; links to directories count as directories.

    Whatever else is in the way is removed. Raises OSError.
    """
    _make(top, path, is_folder=True)


def make_file(top: int, path: str) -> None:
    """Make an empty file, and the directories above it, as needed; links to files, pipes and devices count as files.

    A directory is removed, as whatever else is in the way. Raises OSError.
    """
    _make(top, path, is_folder=False)


def write_file(top: int, path: str, content: bytes, mode: int = 0o644) -> None:
    """Write a new file, in place of whatever is there. Raises OSError."""
    folder, _, name = path.strip("/").rpartition("/")
    with opened_below(top, folder or ".", FOLDER & ~os.O_NOFOLLOW) as parent:
        with contextlib.suppress(FileNotFoundError):
            remove(parent, name)
        with open(os.open(name, NEW_FILE, 0o600, dir_fd=parent), "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)


def _make(top: int, path: str, *, is_folder: bool) -> None:
    folder, _, name = path.strip("/").rpartition("/")
    if name in ("", ".", ".."):
        return
    if folder:
        _make(top, folder, is_folder=True)
    if _is_there(top, path, is_folder=is_folder):
        return
    with opened_below(top, folder or ".", FOLDER & ~os.O_NOFOLLOW) as parent:
        try:
            _make_new(parent, name, is_folder=is_folder)
        except FileExistsError:
            # What is in the way goes, unless another thread has just made it.
            if not _is_there(top, path, is_folder=is_folder):
                with contextlib.suppress(FileNotFoundError):
                    remove(parent, name)
                _make_new(parent, name, is_folder=is_folder)


def _is_there(top: int, path: str, *, is_folder: bool) -> bool:
    found = kind_of(top, path)
    return bool(found) and (found == stat.S_IFDIR) == is_folder


def _make_new(parent: int, name: str, *, is_folder: bool) -> None:
    if is_folder:
        os.mkdir(name, 0o755, dir_fd=parent)
    else:
        os.close(os.open(name, NEW_FILE, 0o644, dir_fd=parent))
