"""Which files are opened while the command runs, by whatever code: what Python announces, and what code in C does.

The kernel tells it, at little cost, as nobody waits for the answer: fanotify(7), which names the process, where that is
allowed; else inotify(7), which does not, so that what another program opens meanwhile is taken for the command's.
"""

from __future__ import annotations

import ctypes
import enum
import os
import struct
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Optional

from freezer.base.isolation.system import LIBC
from freezer.base.places import walk
from freezer.learn.brought import path_without_links
from freezer.learn.facts import Fact, Facts

# <linux/fanotify.h>, <fcntl.h>
FAN_CLOEXEC, FAN_NONBLOCK, FAN_UNLIMITED_QUEUE, FAN_UNLIMITED_MARKS = 0x1, 0x2, 0x10, 0x20
FAN_MARK_ADD, FAN_MARK_ONLYDIR, FAN_OPEN, FAN_EVENT_ON_CHILD, FAN_Q_OVERFLOW = 0x1, 0x8, 0x20, 0x08000000, 0x4000
AT_FDCWD = -100
EVENT = struct.Struct("=IBBHQii")
# <sys/inotify.h>
IN_OPEN, IN_Q_OVERFLOW, IN_ISDIR, IN_ONLYDIR = 0x20, 0x4000, 0x40000000, 0x01000000
NAMED_EVENT = struct.Struct("=iIII")
BUFFER = 1 << 18
PAUSE = 0.1
"""Seconds between looks: the kernel makes one event of many that are the same, as long as nobody has taken it."""

NATIVE = "native"
"""The kind of the fact that a file was opened, and Python has not announced it."""
ANNOUNCED = frozenset(("read", "passed", "write", "list", "library", "mapped"))
CODE = (".py", ".pyc", ".pth", ".pyz")
"""Ends of names of files that Python opens to run them."""


class How(enum.Enum):
    """How the kernel has told."""

    PROCESSES = "by fanotify"
    FILES = "by inotify"
    NOT = "not at all"


class Opens:
    """Collects the files that are opened directly in some directories, until ``stop``: each with the number of the
    process, 0 if that is unknown. ``complete`` says that the kernel has lost nothing."""

    def __init__(self, roots: Iterable[Path]) -> None:
        """Begin. Directories that are made later are not watched: what is in them was made meanwhile, too."""
        self.how = How.NOT
        self.complete = True
        self._found: set[tuple[str, int]] = set()
        self._folders: dict[int, str] = {}
        self._ending = threading.Event()
        folders = sorted(_folders(roots))
        self._descriptor = self._watch_processes(folders)
        if self._descriptor is None:
            self._descriptor = self._watch_files(folders)
        self._thread = threading.Thread(target=self._read_all, daemon=True)
        if self._descriptor is not None:
            self._thread.start()

    def stop(self) -> set[tuple[str, int]]:
        """End it, and return what was opened."""
        if self._descriptor is not None:
            self._ending.set()
            self._thread.join()
            os.close(self._descriptor)
        return self._found

    def _watch_processes(self, folders: list[str]) -> Optional[int]:
        """Return a descriptor of fanotify for these directories; None if this is not allowed."""
        flags = FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS
        descriptor: int = LIBC.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC)
        if descriptor < 0:
            return None
        mask = ctypes.c_uint64(FAN_OPEN | FAN_EVENT_ON_CHILD)
        for folder in folders:
            if LIBC.fanotify_mark(descriptor, FAN_MARK_ADD | FAN_MARK_ONLYDIR, mask, AT_FDCWD, os.fsencode(folder)) < 0:
                os.close(descriptor)
                return None
        self.how = How.PROCESSES
        return descriptor

    def _watch_files(self, folders: list[str]) -> Optional[int]:
        """Return a descriptor of inotify for these directories; None if they are too many."""
        descriptor: int = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            return None
        for folder in folders:
            number = LIBC.inotify_add_watch(descriptor, os.fsencode(folder), IN_OPEN | IN_ONLYDIR)
            if number < 0:
                os.close(descriptor)
                return None
            self._folders[number] = folder
        self.how = How.FILES
        return descriptor

    def _read_all(self) -> None:
        assert self._descriptor is not None
        take = self._take_processes if self.how is How.PROCESSES else self._take_files
        last = False
        while not last:
            # What was opened before the end is in the queue by then.
            last = self._ending.wait(PAUSE)
            with suppress(BlockingIOError):
                while True:
                    take(os.read(self._descriptor, BUFFER))

    def _take_processes(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            length, _, _, _, mask, descriptor, process = EVENT.unpack_from(data, at)
            at += length
            if mask & FAN_Q_OVERFLOW or descriptor < 0:
                self.complete = False
                continue
            try:
                self._found.add((os.readlink(f"/proc/self/fd/{descriptor}"), process))
            finally:
                os.close(descriptor)

    def _take_files(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            number, mask, _, length = NAMED_EVENT.unpack_from(data, at)
            name = data[at + NAMED_EVENT.size : at + NAMED_EVENT.size + length].rstrip(b"\0")
            at += NAMED_EVENT.size + length
            if mask & IN_Q_OVERFLOW:
                self.complete = False
            elif name and not mask & IN_ISDIR and number in self._folders:
                self._found.add((os.path.join(self._folders[number], os.fsdecode(name)), 0))


def _folders(roots: Iterable[Path]) -> set[str]:
    """Return all directories below the roots, without links."""
    return {folder for root in {os.path.realpath(root) for root in roots} for folder, _, _ in walk(root)}


def unannounced(opened: Iterable[tuple[str, int]], facts: Facts) -> Iterator[Fact]:
    """Yield a fact for each file that a process with notes has opened, but not by way of Python; what Python opens to
    run it, and libraries, which are seen otherwise, are none."""
    known = {path_without_links(fact.name) for fact in facts.facts if fact.kind in ANNOUNCED}
    known |= {path_without_links(fact.more) for fact in facts.facts if fact.kind == "module"}
    for path in sorted({path for path, process in opened if not process or process in facts.numbers}):
        if path not in known and not path.endswith(CODE) and ".so" not in os.path.basename(path):
            yield Fact(NATIVE, path, "", "", 0, False)
