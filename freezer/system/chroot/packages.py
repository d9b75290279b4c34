"""The package managers of distributions: which one a root has, and its names for the packages that freezer needs."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.system.rooted import within


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
            if any(within(root, root / place / program).is_file() for place in ("usr/bin", "sbin", "usr/sbin", "bin")):
                return dataclasses.replace(manager, programs=(program,))
    return None


def database_state(root: Path) -> tuple[object, ...]:
    """Return sizes (bytes) and times (ns) that change when packages are installed, removed or upgraded."""
    state: list[object] = []
    for name in ("etc/ld.so.cache", *(name for manager in MANAGERS for name in manager.database)):
        path = within(root, root / name)
        if path.is_file():
            status = path.stat()
            state.append([name, status.st_size, status.st_mtime_ns])
    return tuple(state)


def copy_root(source: Path, target: Path) -> list[str]:
    """Copy a root file system into the new directory ``target``; return the files that could not be read.

    Files are cloned if the file system can (copy_file_range(2)); hard links stay links; owners are kept only for root;
    devices, sockets and mounts below the root are left out, and no file is setuid.
    """
    unreadable: list[str] = []
    linked: dict[tuple[int, int], Path] = {}
    own, device = os.geteuid() == 0, os.stat(source).st_dev

    def copy(entry: os.DirEntry[str], place: Path) -> None:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(entry.path), place)
        elif stat.S_ISDIR(status.st_mode):
            place.mkdir()
            if status.st_dev == device:  # leave out mounts, such as a /proc
                fill(entry.path, place)
            # Last, as the mode may not let its owner write to it; the owner's bits are added for removing it.
            place.chmod(status.st_mode & 0o1777 | 0o700)
        elif stat.S_ISREG(status.st_mode):
            first = linked.get((status.st_dev, status.st_ino))
            if first is not None:
                os.link(first, place)
                return
            _copy_file(entry.path, place)
            place.chmod(status.st_mode & 0o777)
            if status.st_nlink > 1:
                linked[status.st_dev, status.st_ino] = place
        else:
            return
        if own:
            os.chown(place, status.st_uid, status.st_gid, follow_symlinks=False)
        os.utime(place, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)

    def fill(folder: str, place: Path) -> None:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda item: item.name)
        except PermissionError:
            unreadable.append(folder)
            return
        for entry in found:
            try:
                copy(entry, place / entry.name)
            except PermissionError:
                unreadable.append(entry.path)

    target.mkdir(mode=0o755)
    fill(str(source), target)
    return unreadable


def _copy_file(source: str, target: Path) -> None:
    with open(source, "rb") as reading, open(target, "xb") as writing:
        try:
            while os.copy_file_range(reading.fileno(), writing.fileno(), 1 << 30):
                pass
        except (OSError, AttributeError):
            # The file system cannot, or this Python was built against a C library before 2.27.
            writing.seek(0)
            reading.seek(0)
            shutil.copyfileobj(reading, writing)
