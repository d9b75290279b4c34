"""The files of an image: the members of a tar, or an OCI layout that is a directory.

A tar is read once, and the name, place and size of each member are remembered; nothing is unpacked. In a directory only
the files of the specification are read, and no link is followed.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from freezer.base import tar
from freezer.base.dismantle import FOLDER
from freezer.base.errors import InputError
from freezer.base.extract import inside
from freezer.base.shortage import is_shortage

CHUNK = 1 << 20
OUTER = tar.Limits(entries=100_000, total=1 << 42, name=1024, depth=16)
DOCUMENTS = ("oci-layout", "index.json", "manifest.json")
"""The names at the top of an image; one of the last two always exists."""


class Files(Protocol):
    """The interface to an image's files. ``members`` are files and links, by their normalised names."""

    members: dict[str, tar.Member]

    def chunks(self, member: tar.Member) -> Iterator[bytes]:
        """Return the content of a file in pieces. Raises InputError if its length has changed."""

    def piece(self, member: tar.Member, at: int, size: int) -> bytes:
        """Return ``size`` bytes of a file from ``at`` on, whatever other threads read. Raises likewise."""


def wrong(path: Path, why: str) -> InputError:
    """Return the error for a file that is not an image, or is damaged."""
    return InputError(f"{path} is not an image, or is damaged", why=why)


def unreadable(path: Path, error: OSError) -> InputError:
    """Return the error for a file that the system cannot read."""
    return InputError(f"{path} cannot be read: {error.strerror}", why=str(error))


class TarFiles:
    """The files in a tar."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path = path
        self._file = file
        self.members: dict[str, tar.Member] = {}
        file.seek(0)
        try:
            for member, content in tar.read_members(file, OUTER):
                self._add(member)
                if content.left > tar.BLOCK:
                    # Not read: a layer's bytes are digested later, when it is asked for.
                    content.skip(file)
        except tar.DamagedTar as error:
            raise wrong(path, str(error)) from error

    def _add(self, member: tar.Member) -> None:
        name = inside(member.name)
        if name is None:
            raise wrong(self._path, f"{member.name!r} leads out of the archive")
        if member.kind is tar.Kind.DIRECTORY:
            return
        if member.kind not in (tar.Kind.FILE, tar.Kind.SYMLINK, tar.Kind.HARD_LINK):
            raise wrong(self._path, f"{member.name!r} has a type that is not allowed in images")
        if name in self.members:
            raise wrong(self._path, f"{member.name!r} occurs twice")
        self.members[name] = member

    def chunks(self, member: tar.Member) -> Iterator[bytes]:
        """Return the content of a file in pieces. Raises InputError if its length has changed."""
        at, end = member.offset, member.offset + member.size
        while at < end:
            self._file.seek(at)
            data = self._file.read(min(CHUNK, end - at))
            if not data:
                raise wrong(self._path, "it ends too early")
            at += len(data)
            yield data

    def piece(self, member: tar.Member, at: int, size: int) -> bytes:
        """Return ``size`` bytes of a file from ``at`` on, whatever other threads read. Raises likewise."""
        data = os.pread(self._file.fileno(), size, member.offset + at)
        if len(data) != size:
            raise wrong(self._path, "it ends too early")
        return data


class FolderFiles:
    """The files of an OCI layout in a directory; ``top`` is a descriptor of it."""

    def __init__(self, path: Path, top: int) -> None:
        self._path = path
        self._top = top
        self.members: dict[str, tar.Member] = {}
        for name in DOCUMENTS:
            if name in os.listdir(top):
                self._add(name)
        with contextlib.suppress(FileNotFoundError), self._opened("blobs") as blobs:
            for algorithm in sorted(os.listdir(blobs)):
                if re.fullmatch("[a-z0-9+._-]+", algorithm):
                    with self._opened(f"blobs/{algorithm}") as folder:
                        for name in sorted(os.listdir(folder)):
                            self._add(f"blobs/{algorithm}/{name}")

    def _add(self, name: str) -> None:
        if len(self.members) == OUTER.entries:
            raise wrong(self._path, f"it has more than {OUTER.entries} files")
        with self._opened(name) as descriptor:
            status = os.fstat(descriptor)
        self.members[name] = tar.Member(name, tar.Kind.FILE, status.st_size, 0, 0, 0, 0)

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """Open a file or directory without following a link. Raises InputError for anything else."""
        descriptor = os.dup(self._top)
        try:
            for part in name.split("/"):
                # O_NONBLOCK, so that opening a pipe does not wait.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                below = os.open(part, flags, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            mode = os.fstat(descriptor).st_mode
            if not (stat.S_ISDIR(mode) if name.count("/") < 2 and name not in DOCUMENTS else stat.S_ISREG(mode)):
                raise wrong(self._path, f"{name} has a type that is not allowed in images")
            yield descriptor
        except FileNotFoundError:
            raise
        except OSError as error:
            if is_shortage(error):
                raise OSError(error.errno, error.strerror, str(self._path / name)) from error
            raise wrong(self._path, f"{name} cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def chunks(self, member: tar.Member) -> Iterator[bytes]:
        """Return the content of a file in pieces. Raises InputError if its length has changed."""
        left = member.size
        try:
            with self._opened(member.name) as descriptor:
                while data := os.read(descriptor, CHUNK):
                    left -= len(data)
                    yield data
        except FileNotFoundError as error:
            raise wrong(self._path, f"{member.name} is gone") from error
        if left:
            raise wrong(self._path, f"{member.name} changed while it was read")

    def piece(self, member: tar.Member, at: int, size: int) -> bytes:
        """Return ``size`` bytes of a file from ``at`` on, whatever other threads read. Raises likewise."""
        try:
            with self._opened(member.name) as descriptor:
                data = os.pread(descriptor, size, at)
        except FileNotFoundError as error:
            raise wrong(self._path, f"{member.name} is gone") from error
        if len(data) != size:
            raise wrong(self._path, f"{member.name} changed while it was read")
        return data


@contextlib.contextmanager
def open_folder(path: Path) -> Iterator[FolderFiles]:
    """Open an OCI layout that is a directory; the path itself may be a link. Raises InputError."""
    try:
        top = os.open(path, FOLDER & ~os.O_NOFOLLOW)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        yield FolderFiles(path, top)
    finally:
        os.close(top)
