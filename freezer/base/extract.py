"""Extract the entries of untrusted archives below one directory, and nowhere else.

Every step uses descriptors of directories that were opened without following links, so that nothing is written,
replaced or removed outside, or through a link. Only files, directories and links are made; none is setuid or setgid.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Optional

from freezer.base import tar
from freezer.base.dismantle import FOLDER, remove
from freezer.base.shortage import raise_shortage

CHUNK = 1 << 20
LAST_TIME = 1 << 32
"""Seconds since 1970; more than every file system can store."""


class Refused(ValueError):
    """An entry reaches out of the directory, or does not fit what is there."""


def inside(name: str) -> Optional[str]:
    """Return the normalised form of a relative name; None if it leaves its directory."""
    if name.startswith("/") or ".." in name.split("/") or "\0" in name:
        return None
    return posixpath.normpath(name)


@contextlib.contextmanager
def new_tree(folder: Path, *, owners: bool = False, replace: bool = True) -> Iterator[Tree]:
    """Make the directory ``folder``, to put entries below it; the arguments are those of ``Tree``."""
    folder.mkdir()
    top = os.open(folder, FOLDER)
    try:
        os.fchmod(top, 0o755)  # whatever the umask
        yield Tree(top, owners=owners, replace=replace)
    finally:
        os.close(top)


class Tree:
    """The entries below a directory; ``top`` is a descriptor of it.

    ``owners`` is whether files get their owners, which only root can set; ``replace`` is whether an entry may replace
    an earlier one. All methods raise Refused if an entry is not possible, and OSError if the system lacks something.
    """

    def __init__(self, top: int, *, owners: bool, replace: bool) -> None:
        self._top = top
        self._owners = owners
        self._replace = replace
        self._skipped: set[str] = set()

    def put(self, member: tar.Member, content: tar.Readable, finish: Optional[Callable[[int], None]] = None) -> None:
        """Write an entry. Devices, pipes and the entry of the top directory are skipped. ``finish`` is given the
        descriptor of a written file, and may change the file."""
        name = inside(member.name)
        if name is None or "\0" in member.target:
            raise Refused("it leads out of the directory")
        if name == ".":
            if member.kind is not tar.Kind.DIRECTORY:
                raise Refused("it has the name of the top directory")
            return
        folder, base = posixpath.split(name)
        with _refusing(), self._opened(folder, make=True) as parent:
            if member.kind is tar.Kind.DIRECTORY:
                self._folder(parent, base)
                with _below(parent, base) as made:
                    self._own(made, member)
                    # Its owner must be able to put files there, and to remove it.
                    os.fchmod(made, member.mode & 0o1777 | 0o700)
            elif member.kind is tar.Kind.HARD_LINK:
                self._hard_link(parent, name, member.target)
            elif member.kind is tar.Kind.SYMLINK:
                self._clear(parent, base)
                os.symlink(member.target, base, dir_fd=parent)
                if self._owners:
                    with _unmapped():
                        os.chown(base, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
            elif member.kind is tar.Kind.FILE:
                self._file(parent, base, member, content, finish)
            else:
                self._skipped.add(name)

    def folder(self, name: str) -> None:
        """Make the directory ``name``; it replaces any other entry there."""
        folder, base = posixpath.split(name)
        with _refusing(), self._opened(folder, make=True) as parent:
            self._folder(parent, base)

    def names(self, folder: str) -> list[str]:
        """Return the names in a directory, which is made as needed; "" is the top one."""
        with _refusing(), self._opened(folder, make=True) as opened:
            return os.listdir(opened)

    def remove(self, name: str) -> None:
        """Remove an entry with all below it, if it exists; a link itself, not its target."""
        folder, base = posixpath.split(name)
        if base in ("", ".", ".."):
            raise Refused("it is a whiteout without a name")
        with _refusing(), self._opened(folder, make=True) as parent:
            _remove(parent, base)

    def _file(
        self,
        parent: int,
        base: str,
        member: tar.Member,
        content: tar.Readable,
        finish: Optional[Callable[[int], None]],
    ) -> None:
        self._clear(parent, base)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(base, flags, 0o600, dir_fd=parent), "wb", buffering=0) as out:
            while data := content.read(CHUNK):
                while data:
                    data = data[out.write(data) :]
            if finish is not None:
                finish(out.fileno())
            self._own(out.fileno(), member)
            os.fchmod(out.fileno(), member.mode & 0o777)
            # Python compares compiled modules with the times of their sources.
            time = min(max(member.mtime, 0), LAST_TIME)
            os.utime(out.fileno(), (time, time))

    def _hard_link(self, parent: int, name: str, target: str) -> None:
        source = inside(target)
        if source is None:
            raise Refused(f"it links to {target!r}, out of the directory")
        if source in self._skipped:
            self._skipped.add(name)
            return
        base = posixpath.basename(name)
        folder, file = posixpath.split(source)
        with self._opened(folder, make=False) as place:
            status, there = _status(place, file), _status(parent, base)
            if status is None or stat.S_ISDIR(status.st_mode):
                raise Refused(f"it links to {target!r}, which is not a file")
            if there is not None and (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino):
                return
            self._clear(parent, base)
            os.link(file, base, src_dir_fd=place, dst_dir_fd=parent, follow_symlinks=False)

    def _own(self, descriptor: int, member: tar.Member) -> None:
        if self._owners:
            with _unmapped():
                os.fchown(descriptor, member.uid, member.gid)

    def _clear(self, parent: int, name: str) -> None:
        """Make room for an entry."""
        if not self._replace and _status(parent, name) is not None:
            raise Refused("it occurs twice")
        _remove(parent, name)

    def _folder(self, parent: int, name: str) -> None:
        status = _status(parent, name)
        if status is None or not stat.S_ISDIR(status.st_mode):
            self._clear(parent, name)
            _make(parent, name)

    @contextlib.contextmanager
    def _opened(self, path: str, *, make: bool) -> Iterator[int]:
        """Open the directory at a normalised path step by step, without following a link."""
        descriptor = os.dup(self._top)
        try:
            for part in path.split("/") if path else ():
                if make and _status(descriptor, part) is None:
                    _make(descriptor, part)
                try:
                    below = os.open(part, FOLDER, dir_fd=descriptor)
                except OSError as error:
                    if error.errno in (errno.ENOTDIR, errno.ELOOP):
                        raise Refused(f"{part!r} above it, or above its target, is not a directory") from error
                    raise
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Report an operation that the system refuses as an error of the archive."""
    try:
        yield
    except OSError as error:
        raise_shortage(error)
        raise Refused(error.strerror or str(error)) from error
    except UnicodeError as error:
        raise Refused(str(error)) from error


@contextlib.contextmanager
def _unmapped() -> Iterator[None]:
    """Ignore refused changes of owner in a user namespace, which does not have all users."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EINVAL):
            raise


@contextlib.contextmanager
def _below(parent: int, name: str) -> Iterator[int]:
    descriptor = os.open(name, FOLDER, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make(parent: int, name: str) -> None:
    """Make a directory that others can enter, whatever the umask."""
    os.mkdir(name, 0o755, dir_fd=parent)
    with _below(parent, name) as made:
        os.fchmod(made, 0o755)


def _status(parent: int, name: str) -> Optional[os.stat_result]:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _remove(parent: int, name: str) -> None:
    """Remove an entry, if it exists."""
    with contextlib.suppress(FileNotFoundError):
        remove(parent, name)
