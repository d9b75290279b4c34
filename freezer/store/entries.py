"""Cache entries: the files that natively linked executables unpacked, in the directories of this user.

The launcher (freezer/link/launcher) defines where entries are and who may use them. This is the same protocol, so that
both may list and remove entries at any time. A directory counts only if nobody but the user and root can change what is
in it (place.c). An entry is in use while somebody holds one of its locks: ``lock`` while it is unpacked, ``used`` while
its application runs (entry.c); a start that finds ``used`` taken waits for ``lock``, so a process that takes both takes
``lock`` first. An entry is renamed before it is removed, so that no start uses a partly removed one (remove.c).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.dismantle import FOLDER
from freezer.store.inventory import Item, ItemKind, measure

SHARED = ("/var/tmp", "/tmp", "/dev/shm")
"""World-writable directories, in which each user may have a directory."""
NAME = re.compile(r"(?P<old>\.old-)?(?P<identity>[0-9a-f]{64})(?(old)-.+)")
LOCKS = ("lock", "used")
NOBODY = 65534
"""The owner of files in a user namespace that does not contain their real owner."""
SHOWN = 12
"""Digits of an identity that are enough for people to distinguish entries."""


@dataclass(frozen=True)
class Home:
    """A directory that may have entries; if it is ``shared``, other users can create files beside it."""

    path: Path
    shared: bool


def homes(environment: Mapping[str, str], user: int) -> list[Home]:
    """Return the directories that launchers try, in their order."""
    own = f"freezer-{user}"
    wanted = [
        (environment.get("FREEZER_CACHE", ""), "", False),
        (environment.get("XDG_CACHE_HOME", ""), "freezer/apps", False),
        (environment.get("HOME", ""), ".cache/freezer/apps", False),
        (SHARED[0], own, True),
        (environment.get("TMPDIR", ""), own, True),
        *((place, own, True) for place in SHARED[1:]),
    ]
    found: dict[Path, Home] = {}
    for base, rest, shared in wanted:
        # Unset, empty and relative variables are ignored.
        if os.path.isabs(base):
            found.setdefault(Path(base, rest), Home(Path(base, rest), shared))
    return list(found.values())


def entries(places: Iterable[Home], known: Mapping[str, Path]) -> list[Item]:
    """Return the entries in these directories. ``known`` maps the names of entries to executables."""
    found: list[Item] = []
    seen = set()
    for home in places:
        real = _real(home)
        with _trusted_folder(real) as top:
            if top is None or _identity(os.fstat(top)) in seen:
                continue
            seen.add(_identity(os.fstat(top)))
            for name in sorted(os.listdir(top)):
                match = NAME.fullmatch(name)
                item = match and _entry(real / name, match["identity"], known)
                if item:
                    found.append(item)
    return found


@contextlib.contextmanager
def opened_home(home: Home) -> Iterator[Optional[int]]:
    """Open a directory of entries; None if it does not exist, or others can change it."""
    with _trusted_folder(_real(home)) as top:
        yield top


@contextlib.contextmanager
def taken(item: Item) -> Iterator[Optional[Path]]:
    """Take an entry for removal. Yields its new path, at which no start looks for it, or None if the entry is in use or
    has changed since it was listed. Raises OSError."""
    with contextlib.ExitStack() as stack:
        place = None
        entry = stack.enter_context(opened(item.path))
        if entry is not None and stack.enter_context(_free(entry)) and _is(entry, item):
            place = item.path
            if not place.name.startswith("."):
                place = place.with_name(f".old-{place.name}-{os.getpid()}")
                os.rename(item.path, place)
        yield place


def _is(entry: int, item: Item) -> bool:
    """Return whether the open entry is still the listed item."""
    try:
        current = _identity(os.fstat(entry)) == _identity(os.lstat(item.path))
    except FileNotFoundError:
        return False
    return current and (_last_used(entry), _litter(entry, item.path.name)) == (item.last_used, item.litter)


def _entry(path: Path, identity: str, known: Mapping[str, Path]) -> Optional[Item]:
    with opened(path) as entry:
        if entry is None:
            return None
        with _free(entry) as free:
            litter = _litter(entry, path.name) if free else None
        what = str(known[identity]) if identity in known else f"application {identity[:SHOWN]}"
        return Item(ItemKind.APPS, path, what, measure(path)[0], _last_used(entry), not free, litter)


def _litter(entry: int, name: str) -> Optional[str]:
    if name.startswith("."):
        return "its removal was not finished"
    # The launcher writes the manifest last.
    return None if _status(entry, "manifest") is not None else "it is incomplete"


def _last_used(entry: int) -> float:
    """Return the time of the last use in seconds since 1970; launchers update it once a day."""
    return (_status(entry, "used") or os.fstat(entry)).st_mtime


def _status(entry: int, name: str) -> Optional[os.stat_result]:
    try:
        return os.stat(name, dir_fd=entry, follow_symlinks=False)
    except OSError:
        return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def _free(entry: int) -> Iterator[bool]:
    """Yield whether no process holds a lock of the entry; if so, hold both locks in the meantime."""
    with contextlib.ExitStack() as held:
        # Released in reverse order.
        yield all(_lock(held, entry, name) for name in LOCKS)


def _lock(held: contextlib.ExitStack, entry: int, name: str) -> bool:
    """Take a lock until ``held`` ends. If the lock's state is unknown, treat it as held."""
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=entry)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    held.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Optional[int]]:
    """Open an entry in a trusted directory; None if it does not exist, is not a directory, or others can change it."""
    try:
        descriptor = os.open(path, FOLDER)
    except OSError:
        yield None
        return
    try:
        yield descriptor if trusted(os.fstat(descriptor), own=True) else None
    finally:
        os.close(descriptor)


def _real(home: Home) -> Path:
    """Return the path without links; the last part is kept where others could have made it a link."""
    if home.shared:
        return Path(os.path.realpath(home.path.parent), home.path.name)
    return Path(os.path.realpath(home.path))


@contextlib.contextmanager
def _trusted_folder(path: Path) -> Iterator[Optional[int]]:
    """Open the directory at a path without links, step by step; None if a step is not trusted."""
    descriptor = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        good = True
        try:
            for number, part in enumerate(path.parts[1:], 2):
                below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
                good = good and trusted(os.fstat(descriptor), own=number == len(path.parts))
            if good:
                below = os.open(".", FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
        except OSError:
            good = False
        yield descriptor if good else None
    finally:
        os.close(descriptor)


def trusted(status: os.stat_result, *, own: bool) -> bool:
    """Return whether only the user and root can change the directory; with ``own`` it must belong to the user."""
    closed = not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    guarded = closed or bool(status.st_mode & stat.S_ISVTX)
    if status.st_uid == os.geteuid():
        return closed if own else guarded
    if own:
        return False
    return guarded and (status.st_uid == 0 or (status.st_uid == NOBODY and _nobody_is_foreign()))


def _nobody_is_foreign() -> bool:
    """Return whether no user in this namespace has the uid 65534: then its files belong to users outside."""
    try:
        lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
        ranges = [tuple(map(int, line.split())) for line in lines]
        return bool(ranges) and not any(first <= NOBODY < first + count for first, _, count in ranges)
    except (OSError, ValueError):
        return False
