"""Memory snapshots, which launchers have made in the entries of applications (freezer/link/launcher/snapshots.h).

They can be removed at any time, as a process keeps what it was restored from. The seal goes first, without which a
launcher uses no snapshot. The note that there must be none is removed like a snapshot; then a launcher tries again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from freezer.store.entries import Home, opened, opened_home
from freezer.store.inventory import Item, ItemKind, measure

FOLDER = "snapshots"
NAME = re.compile(r"[0-9a-f]{64}\.(memory|bad)")
PARTS = ("seal", "trial", "written", "memory", "bad")
"""The files of a snapshot, in the order in which they are removed."""
FORBIDDEN = "no-snapshots"
"""The file in a directory of entries by which a user has forbidden snapshots of the applications there; see
freezer/link/launcher/instant.c."""
WHY_LIMIT = 4096
"""Bytes of a note that are read."""


def with_snapshots(items: Iterable[Item]) -> list[Item]:
    """Return the items with the snapshots of applications behind these, whose sizes they are no part of any more."""
    found = []
    for item in items:
        beside = list(_snapshots(item)) if item.kind is ItemKind.APPS and item.litter is None else []
        found += [dataclasses.replace(item, size=item.size - sum(part.size for part in beside)), *beside]
    return found


def _snapshots(entry: Item) -> Iterator[Item]:
    place = entry.path / FOLDER
    with opened(place) as folder:
        for name in sorted(os.listdir(folder)) if folder is not None else ():
            match = NAME.fullmatch(name)
            if match is None:
                continue
            path = place / name
            sizes = [measure(path.with_suffix(f".{part}"))[0] for part in PARTS]
            what = f"snapshot of {entry.what}"
            if match[1] == "bad":
                what = f"no snapshot of {entry.what}: {_why(path)}"
            used = measure(path.with_suffix(".seal"))[1] or measure(path)[1]
            yield Item(ItemKind.SNAPSHOTS, path, what, sum(sizes), used, in_use=False)


def _why(path: Path) -> str:
    """Return the first line of a note."""
    try:
        with open(path, "rb") as file:
            lines = file.read(WHY_LIMIT).decode("utf-8", "replace").splitlines()
    except OSError as error:
        return str(error)
    return lines[0] if lines else "no reason is known"


def remove_snapshot(item: Item) -> bool:
    """Remove a snapshot; return whether it was there. Raises OSError."""
    with opened(item.path.parent) as folder:
        if folder is None:
            return False
        there = os.path.lexists(item.path)
        for part in PARTS:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(item.path.with_suffix(f".{part}").name, dir_fd=folder)
    return there


def forbidden(places: Iterable[Home]) -> list[Path]:
    """Return those directories of entries in which snapshots are forbidden."""
    return [home.path for home in places if _has_note(home)]


def _has_note(home: Home) -> bool:
    with opened_home(home) as folder:
        if folder is None:
            return False
        try:
            os.stat(FORBIDDEN, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True


def forbid(places: Iterable[Home]) -> list[Path]:
    """Forbid snapshots in all directories of entries that there are, and in the first that launchers try, which is made
    if there is none; return all in which they are forbidden. Raises OSError."""
    found = list(places)
    if found and not found[0].shared:
        found[0].path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for home in found:
        with opened_home(home) as folder:
            if folder is not None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(FORBIDDEN, flags, 0o600, dir_fd=folder))
    return forbidden(found)


def allow(places: Iterable[Home]) -> None:
    """Allow snapshots again. Raises OSError."""
    for home in places:
        with opened_home(home) as folder:
            if folder is not None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(FORBIDDEN, dir_fd=folder)
