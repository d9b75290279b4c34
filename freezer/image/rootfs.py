"""Unpacking an image's root into a directory, whatever the layers say.

Every step goes through descriptors of directories that were opened without following links, so that nothing is written,
replaced or removed outside, or through a link. Only files, directories and links come out; nothing is setuid.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from freezer import tar
from freezer.image.archive import Image, ImageArchive, inside
from freezer.image.check import OPAQUE, WHITEOUT

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack_root(archive: ImageArchive, image: Image, folder: Path) -> None:
    """Put the layers of an image on one another in the new directory ``folder``.

    Owners are kept if we are root. ``proc`` and ``dev`` are there, for what is mounted on them. Raises InputError for
    entries that exclude each other or reach out.
    """
    folder.mkdir(mode=0o755)
    top = os.open(folder, FOLDER)
    try:
        for blob in image.layers:
            # What a layer brings itself is not meant by its whiteouts, wherever in it these stand.
            own: set[str] = set()
            for member, content in archive.layer_members(blob):
                name = inside(member.name)
                if name is None:
                    raise archive.wrong(f"{member.name!r} in {blob.name} reaches out of the root")
                if name == ".":
                    continue
                try:
                    _apply(top, name, member, content, own)
                except (OSError, ValueError) as error:
                    if isinstance(error, OSError) and error.errno in FULL:
                        raise
                    raise archive.wrong(f"{member.name!r} in {blob.name}: {error}") from error
        for name in ("proc", "dev"):
            _make_folder(top, name)
        os.fchmod(top, 0o755)
    finally:
        os.close(top)


FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
"""What is no fault of an archive."""


def _apply(top: int, name: str, member: tar.Member, content: tar.Content, own: set[str]) -> None:
    folder, _, base = name.rpartition("/")
    with _opened(top, folder) as parent:
        if base == OPAQUE:
            for below in os.listdir(parent):
                if f"{folder}/{below}".lstrip("/") not in own:
                    _remove(parent, below)
            return
        if base.startswith(WHITEOUT):
            hidden = base[len(WHITEOUT) :]
            if f"{folder}/{hidden}".lstrip("/") not in own:
                _remove(parent, hidden)
            return
        parts = name.split("/")
        own.update("/".join(parts[: depth + 1]) for depth in range(len(parts)))
        if member.kind is tar.Kind.DIRECTORY:
            _make_folder(parent, base)
            with _opened(parent, base) as made:
                os.fchmod(made, member.mode & 0o1777 | 0o700)
                _own(made, member)
            return
        if member.kind not in (tar.Kind.FILE, tar.Kind.SYMLINK, tar.Kind.HARD_LINK):
            return
        if member.kind is tar.Kind.HARD_LINK:
            _hard_link(top, parent, base, member.target)
            return
        _remove(parent, base)
        if member.kind is tar.Kind.SYMLINK:
            os.symlink(member.target, base, dir_fd=parent)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(base, flags, 0o600, dir_fd=parent), "wb") as out:
            while data := content.read(1 << 20):
                out.write(data)
            out.flush()
            _own(out.fileno(), member)
            os.fchmod(out.fileno(), member.mode & 0o777)


def _own(descriptor: int, member: tar.Member) -> None:
    if os.geteuid() == 0:
        with contextlib.suppress(PermissionError):  # root of a user namespace that lacks this owner
            os.fchown(descriptor, member.uid, member.gid)


def _hard_link(top: int, parent: int, base: str, target: str) -> None:
    name = inside(target)
    if name is None:
        raise ValueError(f"it links to {target!r}, out of the root")
    folder, _, file = name.rpartition("/")
    with _opened(top, folder) as source:
        status = os.stat(file, dir_fd=source, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"it links to {target!r}, which is no file")
        there = _status(parent, base)
        if there is not None and (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino):
            return
        _remove(parent, base)
        os.link(file, base, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)


@contextlib.contextmanager
def _opened(top: int, path: str) -> Iterator[int]:
    """The directory at a relative path, made as needed, opened step by step without following a link."""
    descriptor = os.dup(top)
    try:
        for part in path.split("/") if path else ():
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=descriptor)
            below = os.open(part, FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _make_folder(parent: int, name: str) -> None:
    status = _status(parent, name)
    if status is not None and stat.S_ISDIR(status.st_mode):
        return
    _remove(parent, name)
    os.mkdir(name, 0o755, dir_fd=parent)


def _status(parent: int, name: str) -> Optional[os.stat_result]:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _remove(parent: int, name: str) -> None:
    """Remove an entry, and all below it if it is a directory; links are removed, not followed."""
    status = _status(parent, name)
    if status is None or name in ("", ".", ".."):
        return
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    with _opened(parent, name) as folder:
        for below in os.listdir(folder):
            _remove(folder, below)
    os.rmdir(name, dir_fd=parent)
