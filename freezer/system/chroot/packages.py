"""The package managers of distributions: which one a root has, and its names for the packages that freezer needs."""

from __future__ import annotations

import dataclasses
import errno
import os
import shlex
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from freezer.base.beneath import NEW_FILE, names_in, opened_below, opened_top
from freezer.base.dismantle import FOLDER, PLACE, reached
from freezer.system.rooted import is_file, place, status_of

MAX_DEPTH = 100
"""Levels of directories in a root that is copied, each of which is open meanwhile."""


@dataclass(frozen=True)
class Manager:
    """A package manager. ``programs`` are its names, ``database`` the files that change with each installation, and
    ``names`` the packages for each component that freezer may need, with ``{version}`` for Python's."""

    programs: tuple[str, ...]
    refresh: tuple[str, ...]
    arguments: tuple[str, ...]
    single_user: tuple[str, ...]
    database: tuple[str, ...]
    names: Mapping[str, str]

    @property
    def program(self) -> str:
        """Return the usual name of its program."""
        return self.programs[0]

    def package(self, what: str, version: str) -> str:
        """Return the packages, separated by spaces, that provide "python", "venv", "libpython" or a "compiler"."""
        return self.names[what].format(version=version)

    def script(self, packages: tuple[str, ...], *, alone: bool) -> str:
        """Return a shell command that installs packages; ``alone`` says that the namespace has only one user."""
        options = self.single_user if alone else ()
        commands = [[self.program, *options, *self.refresh]] if self.refresh else []
        commands.append([self.program, *options, *self.arguments, *packages])
        return " && ".join(map(shlex.join, commands))


MANAGERS = (
    Manager(
        ("apt-get",),
        ("update",),
        ("install", "--yes", "--no-install-recommends"),
        ("-o", "APT::Sandbox::User=root"),
        ("var/lib/dpkg/status",),
        {
            "python": "python3 python3-venv",
            "venv": "python{version}-venv",
            "libpython": "libpython{version}",
            "compiler": "g++ libpython3-dev",
        },
    ),
    Manager(
        ("dnf", "microdnf", "yum"),
        (),
        ("install", "-y"),
        (),
        ("var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/Packages"),
        {"python": "python3", "venv": "python3", "libpython": "python3-libs", "compiler": "gcc-c++ python3-devel"},
    ),
    Manager(
        ("apk",),
        (),
        ("add", "--no-cache"),
        (),
        ("lib/apk/db/installed", "usr/lib/apk/db/installed"),
        {"python": "python3", "venv": "python3", "libpython": "python3", "compiler": "g++ python3-dev"},
    ),
)


def manager_of(root: Path) -> Optional[Manager]:
    """Return the package manager of the system at ``root``; None if it has no supported one."""
    for manager in MANAGERS:
        for program in manager.programs:
            if any(is_file(root, place(root, f"{name}/{program}")) for name in ("usr/bin", "sbin", "usr/sbin", "bin")):
                return dataclasses.replace(manager, programs=(program,))
    return None


def database_state(root: Path) -> tuple[object, ...]:
    """Return sizes (bytes) and times (ns) that change when packages are installed, removed or upgraded."""
    state: list[object] = []
    for name in ("etc/ld.so.cache", *(name for manager in MANAGERS for name in manager.database)):
        status = status_of(root, place(root, name))
        if status is not None and stat.S_ISREG(status.st_mode):
            state.append([name, status.st_size, status.st_mtime_ns])
    return tuple(state)


def copy_root(source: Path, target: Path) -> list[str]:
    """Copy a root file system into the new directory ``target``; return the files that could not be read.

    Files are cloned if the file system can (copy_file_range(2)); hard links stay links; owners are kept only for root;
    devices, sockets and mounts below the root are left out, and no file is setuid.
    """
    target.mkdir(mode=0o755)
    with opened_top(source) as old, opened_top(target) as new:
        copying = _Copying(new, os.fstat(old).st_dev)
        copying.fill(old, new, "")
    return copying.unreadable


class _Copying:
    """A copy in the making, ``top`` being a descriptor of its directory, ``device`` that of the file system to copy.

    Directories are handed on as descriptors: a root that others can change has a link where there was a directory
    when it was listed.
    """

    def __init__(self, top: int, device: int) -> None:
        self.unreadable: list[str] = []
        self._linked: dict[tuple[int, int], str] = {}
        self._own = os.geteuid() == 0
        self._top, self._device = top, device

    def fill(self, old: int, new: int, path: str) -> None:
        """Copy what is in the directory ``old`` to ``new``; ``path`` is what both are called in the root."""
        if path.count("/") > MAX_DEPTH:
            raise OSError(errno.ENAMETOOLONG, f"it has more than {MAX_DEPTH} levels of directories", path)
        try:
            names = names_in(old, ".")
        except PermissionError:
            self.unreadable.append(path)
            return
        for name in names:
            try:
                with opened_below(old, name, PLACE | os.O_NOFOLLOW) as entry:
                    self._copy(entry, new, name, f"{path}/{name}")
            except PermissionError:
                self.unreadable.append(f"{path}/{name}")

    def _copy(self, entry: int, new: int, name: str, path: str) -> None:
        status = os.fstat(entry)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink("", dir_fd=entry), name, dir_fd=new)
            self._settle(new, name, status)
        elif stat.S_ISDIR(status.st_mode):
            os.mkdir(name, dir_fd=new)
            with opened_below(new, name, FOLDER) as made:
                if status.st_dev == self._device:  # not the /proc that somebody mounted in it
                    self.fill(entry, made, path)
                # Last: its owner may not be allowed to write to it, and must be to remove it.
                os.fchmod(made, status.st_mode & 0o1777 | 0o700)
            self._settle(new, name, status)
        elif stat.S_ISREG(status.st_mode):
            first = self._linked.get((status.st_dev, status.st_ino))
            if first is not None:
                os.link(first, name, src_dir_fd=self._top, dst_dir_fd=new)
                return
            with open(reached(entry), "rb") as reading, open(os.open(name, NEW_FILE, 0o600, dir_fd=new), "wb") as file:
                _copy_content(reading, file)
                os.fchmod(file.fileno(), status.st_mode & 0o777)
            self._settle(new, name, status)
            if status.st_nlink > 1:
                self._linked[status.st_dev, status.st_ino] = path.lstrip("/")

    def _settle(self, new: int, name: str, status: os.stat_result) -> None:
        """Give an entry of the copy its owner and its time."""
        if self._own:
            os.chown(name, status.st_uid, status.st_gid, dir_fd=new, follow_symlinks=False)
        os.utime(name, ns=(status.st_mtime_ns, status.st_mtime_ns), dir_fd=new, follow_symlinks=False)


def _copy_content(reading: IO[bytes], writing: IO[bytes]) -> None:
    try:
        while os.copy_file_range(reading.fileno(), writing.fileno(), 1 << 30):
            pass
    except (OSError, AttributeError):
        # The file system cannot, or this Python was built against a C library before 2.27.
        writing.seek(0)
        reading.seek(0)
        shutil.copyfileobj(reading, writing)
