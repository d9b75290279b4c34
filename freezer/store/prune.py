"""Choose items of the cache that are not needed, and remove them while builds and applications run.

An item is renamed into ``work`` before it is removed: the next build sweeps directories there that no process holds, so
that a removal may be killed at any point, and no other build finds an incomplete item. Entries of launchers are renamed
in their own directory, where launchers sweep (``entries``).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.beneath import opened_plain
from freezer.base.dismantle import FOLDER, reached
from freezer.base.errors import EnvironmentFailure, UsageError
from freezer.base.removal import remove_tree
from freezer.store.entries import taken
from freezer.store.inventory import Item, ItemKind, builds_run, cannot, modified
from freezer.store.snapshots import remove_snapshot
from freezer.store.workspace import is_held, lock_of, locked

HOUR = 3600
AGES = {"h": HOUR, "d": 24 * HOUR, "w": 7 * 24 * HOUR}
SIZES = {"B": 1} | {
    unit: factor**power
    for power, letter in enumerate("KMGT", 1)
    for factor, units in ((1000, (letter, f"{letter}B")), (1024, (f"{letter}I", f"{letter}IB")))
    for unit in units
}

LOCKED = (ItemKind.ROOTS, ItemKind.IMAGES, ItemKind.ENVIRONMENTS, ItemKind.TOOLCHAINS)
"""Kinds of items that have a lock file beside them."""
ATTEMPTS = 5
"""Attempts to remove a directory: a start that has opened the entry may create a lock in it meanwhile."""


@dataclass(frozen=True)
class Rules:
    """The items to remove besides litter: those unused for ``older_than`` seconds, the least recently used until the
    rest has at most ``max_size`` bytes, or ``everything``; only of these ``kinds``."""

    older_than: Optional[float] = None
    max_size: Optional[int] = None
    everything: bool = False
    kinds: frozenset[ItemKind] = frozenset(ItemKind)


def parse_age(text: str) -> float:
    """Return the seconds of an age such as 12h, 30d or 2w. Raises UsageError."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([hdw])", text.strip(), re.ASCII)
    if match is None:
        raise UsageError(f"--older-than {text}: this is not an age", hint="give hours, days or weeks: 12h, 30d, 2w")
    return float(match[1]) * AGES[match[2]]


def parse_size(text: str) -> int:
    """Return the bytes of a size such as 500M, 5G or 4GiB. Raises UsageError.

    There must be a unit: a bare number is bytes to some tools and gigabytes to others.
    """
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([A-Z]+)", text.strip().upper(), re.ASCII)
    if match is None or match[2] not in SIZES:
        raise UsageError(f"--max-size {text}: this is not a size", hint="give a number and a unit: 500M, 5G, 4GiB, 0B")
    return int(float(match[1]) * SIZES[match[2]])


def choose(items: Sequence[Item], rules: Rules, now: float) -> list[Item]:
    """Return the items to remove by these rules; items in use are never among them. ``now`` is in seconds since
    1970."""
    of_kind = [item for item in items if item.kind in rules.kinds]
    free = sorted((item for item in of_kind if not item.in_use), key=lambda item: item.last_used)
    left = sum(item.size for item in of_kind)
    chosen = []
    for item in free:
        too_old = rules.older_than is not None and now - item.last_used > rules.older_than
        if rules.everything or item.litter is not None or too_old:
            chosen.append(item)
            left -= item.size
    if rules.max_size is not None:
        for item in free:
            if left <= rules.max_size:
                break
            if item not in chosen:
                chosen.append(item)
                left -= item.size
    return chosen


def remove(cache: Path, item: Item) -> bool:
    """Remove one item unless it is in use or was used since it was listed; return whether it was removed.

    Raises EnvironmentFailure if that is not possible.
    """
    try:
        if item.kind is ItemKind.SNAPSHOTS:
            return remove_snapshot(item)
        with taken(item) if item.kind is ItemKind.APPS else _taken(cache, item) as place:
            if place is None:
                return False
            for _ in range(ATTEMPTS):
                if place.is_dir():
                    remove_tree(place)
                else:
                    place.unlink(missing_ok=True)
                if not os.path.lexists(place):
                    break
    except OSError as error:
        home = item.path.parent if item.kind in (ItemKind.APPS, ItemKind.SNAPSHOTS) else cache
        raise cannot("remove an item of", home, error) from error
    if os.path.lexists(place):
        raise EnvironmentFailure(
            f"cannot remove all of {item.path}",
            why=f"the rest of it is at {place}",
            hint="remove that as root",
        )
    return True


@contextlib.contextmanager
def _taken(cache: Path, item: Item) -> Iterator[Optional[Path]]:
    """Move an item to where no build looks for it, and yield its new path; None if it must stay."""
    with contextlib.ExitStack() as hold:
        place = None
        with contextlib.suppress(BlockingIOError), contextlib.ExitStack() as lock:
            if item.kind in LOCKED:
                lock.enter_context(_locked_now(lock_of(item.path)))
            else:
                # No build begins while this lock is held.
                lock.enter_context(locked(cache / "work.lock"))
            if _still_free(cache, item):
                if item.path.is_dir():
                    # The sweep does not remove a directory that is held.
                    hold.enter_context(_locked_now(item.path))
                place = _aside(cache, item)
        # The lock is released before the removal, which takes a while.
        yield place


def _still_free(cache: Path, item: Item) -> bool:
    if not os.path.lexists(item.path):
        return False
    if item.kind is ItemKind.PIP:
        return not builds_run(cache)
    if item.kind is ItemKind.LOGS:
        return not is_held(cache / "work" / item.path.stem)
    # A build that has ended since the listing has changed the times of its root, environment and toolchain.
    return item.kind is ItemKind.WORK or modified(item.path) == item.last_used


@contextlib.contextmanager
def _locked_now(path: Path) -> Iterator[None]:
    """Lock a directory or a lock file exclusively, without waiting; a lock file is created as needed. Raises
    BlockingIOError."""
    if path.is_dir():
        # A directory must be writable to be moved, and readable to be opened.
        with opened_plain(str(path.parent), path.name) as place:
            os.chmod(reached(place), 0o700)
            descriptor = os.open(".", FOLDER, dir_fd=place)
    else:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _aside(cache: Path, item: Item) -> Path:
    """Move a directory to where the sweep removes it; a file stays, as its removal is one step."""
    if item.kind is ItemKind.WORK or not item.path.is_dir():
        return item.path
    (cache / "work").mkdir(exist_ok=True, mode=0o700)
    place = cache / "work" / f"{item.path.name}-{secrets.token_hex(4)}"
    os.rename(item.path, place)
    return place
