"""A root while it is put together: directories, files and mounts at places in it, which links in it cannot move out.

The host's root still is the process's own, so that the kernel would take an absolute link in the new root, or enough
of ``..``, for a place of the host. Every place is opened below the root (``beneath``) and mounted on by its descriptor.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from freezer.base import beneath
from freezer.base.dismantle import FOLDER, PLACE, reached
from freezer.base.isolation.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    enter_root,
    mount,
    remount_bound,
    restrict,
)
from freezer.base.isolation.system import IsolationError, as_step

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")
"""Parts of /proc by which root in the root could change the host's kernel; container runtimes do the same."""
HIDDEN_PROC = (
    *("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list"),
    "timer_stats",
)
"""Parts of /proc that tell about the host, or reach its devices; container runtimes hide the same ones."""

COVER = ".freezer-cover"
"""The name that a file has until it is mounted at its place."""


class Interior:
    """What is in the root at ``path``, which is a mount point already. Names are of places in the root; all methods
    raise IsolationError."""

    def __init__(self, path: str) -> None:
        with as_step(f"open {path}"):
            self._top = os.open(path, PLACE | os.O_DIRECTORY)

    def folder(self, name: str) -> None:
        """Make a directory, and those above it, as needed; see ``beneath.make_folder``."""
        with as_step(f"make {name}"):
            beneath.make_folder(self._top, name)

    def symlink(self, target: str, name: str) -> None:
        """Make a link."""
        parent, _, base = name.rpartition("/")
        with as_step(f"make {name}"), beneath.opened_below(self._top, parent or ".") as folder:
            os.symlink(target, base, dir_fd=folder)

    def has(self, name: str) -> bool:
        """Return whether something is there."""
        return beneath.kind_of(self._top, name) != 0

    def has_folder(self, name: str) -> bool:
        """Return whether a directory is there that is not a link."""
        with contextlib.suppress(OSError), beneath.opened_below(self._top, name, PLACE | os.O_NOFOLLOW) as place:
            return stat.S_ISDIR(os.fstat(place).st_mode)
        return False

    def mount(self, kind: str, name: str, flags: int, data: str = "") -> None:
        """Mount a new file system of that type on a directory."""
        with self._place(name) as place:
            mount(kind, place, kind, flags, data, step=f"mount {kind} on {name}")

    def bind(self, source: str, name: str, flags: int) -> None:
        """Make a file or directory of the host's appear at a place, which is made as needed."""
        with as_step(f"make {name}"):
            make = beneath.make_folder if os.path.isdir(source) else beneath.make_file
            make(self._top, name)
        self._bind(source, name, flags)

    def bind_again(self, name: str, flags: int) -> None:
        """Mount what is at a place on itself, with other flags."""
        self._bind("", name, flags)

    def _bind(self, source: str, name: str, flags: int) -> None:
        with self._place(name) as place:
            mount(source or place, place, "", MS_BIND | MS_REC, step=f"mount on {name}")
        # Opened anew: a descriptor from before stands for what is below the mount.
        with self._place(name) as place:
            restrict(place, flags, step=f"mount on {name} again")

    def remount(self, name: str, flags: int) -> None:
        """Set the flags of the mount at a place."""
        with self._place(name) as place:
            remount_bound(place, flags, step=f"mount on {name} again")

    def file(self, name: str, content: bytes) -> None:
        """Write a new file, in place of whatever is there."""
        with as_step(f"make {name}"):
            beneath.make_folder(self._top, name.rpartition("/")[0] or ".")
            beneath.write_file(self._top, name, content)

    def cover(self, name: str, content: bytes) -> None:
        """Mount a new file at a place that stays as it is below it; the file is in memory, and has no other name."""
        self.file(COVER, content)
        try:
            with self._place(COVER) as source:
                self.bind(source, name, MS_RDONLY | MS_NOSUID | MS_NODEV)
        finally:
            with as_step(f"make {name}"):
                os.unlink(COVER, dir_fd=self._top)

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[int]:
        """Open a directory, to put something there."""
        with beneath.opened_below(self._top, name, FOLDER & ~os.O_NOFOLLOW) as folder:
            yield folder

    def enter(self) -> list[str]:
        """Make it the root of this process; see ``enter_root``."""
        return enter_root(self._top)

    @contextlib.contextmanager
    def _place(self, name: str) -> Iterator[str]:
        """Give a path that means a place in this root, whatever is renamed."""
        with contextlib.ExitStack() as stack:
            with as_step(f"open {name}"):
                place = stack.enter_context(beneath.opened_below(self._top, name))
            yield reached(place)


def build_proc(root: Interior, proc: str) -> None:
    """Mount the processes of this PID namespace, without what is the host's."""
    root.mount("proc", proc, MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in READ_ONLY_PROC:
        if root.has(f"{proc}/{name}"):
            root.bind_again(f"{proc}/{name}", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in HIDDEN_PROC:
        place = f"{proc}/{name}"
        if root.has_folder(place):
            root.mount("tmpfs", place, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0,mode=755")
        elif root.has(place):
            root.bind("/dev/null", place, MS_RDONLY | MS_NOSUID | MS_NOEXEC)


def build_dev(root: Interior, dev: str, *, terminals: bool = False) -> list[str]:
    """Provide the devices that every container has, bound: a user namespace cannot make nodes.

    With ``terminals``, new terminals can be made, too, which are no terminals of the host (pts(4)).
    """
    notes = []
    root.mount("tmpfs", dev, MS_NOSUID | MS_NOEXEC, "mode=755")
    for name in DEVICES:
        try:
            root.bind(f"/dev/{name}", f"{dev}/{name}", MS_NOSUID | MS_NOEXEC)
        except IsolationError as error:
            notes.append(f"no /dev/{name}: {error}")
    root.folder(f"{dev}/shm")
    root.mount("tmpfs", f"{dev}/shm", MS_NOSUID | MS_NODEV, "mode=1777")
    if terminals:
        root.folder(f"{dev}/pts")
        root.mount("devpts", f"{dev}/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
        root.symlink("pts/ptmx", f"{dev}/ptmx")
    root.symlink("/proc/self/fd", f"{dev}/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        root.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")
    root.remount(dev, MS_RDONLY | MS_NOSUID | MS_NOEXEC)
    return notes
