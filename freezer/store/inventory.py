"""The items of the cache, and whether they are in use.

Builds hold the items that they use by locks, which the kernel releases however they end: a work directory by a lock on
itself, a root, an environment or a toolchain by a shared lock on the lock file beside it. Items without a lock of their
own count as in use while any build runs. ``entries`` lists the files that executables unpacked, ``prune`` removes
items.
"""

from __future__ import annotations

import contextlib
import enum
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.base.beneath import opened_below, opened_top
from freezer.base.dismantle import PLACE, reached
from freezer.base.errors import EnvironmentFailure
from freezer.store.workspace import OWN, is_held, lock_of

BLOCK = 512
"""Bytes in a unit of st_blocks, whatever the file system (inode(7))."""
ABANDONED = 24 * 3600
"""Seconds after which an unfinished record will not be finished any more."""
OLD_PIP = "pip-"
"""The prefix of the names of the pips for old Pythons, among the environments."""
MAX_TEXT = 1 << 24
"""Characters of a file; what is longer is cut off."""
IN_CHROOT = re.compile(rf"VIRTUAL_ENV=[\"']?{OWN}/")


class ItemKind(enum.Enum):
    """The kinds of items, with their names on the command line."""

    ROOTS = "roots"
    IMAGES = "images"
    ENVIRONMENTS = "environments"
    TOOLCHAINS = "toolchains"
    ANALYSES = "analyses"
    PACKED = "packed"
    BUNDLES = "bundles"
    FACTS = "facts"
    PIP = "pip"
    WORK = "work"
    RECORDS = "records"
    LOGS = "logs"
    APPS = "apps"
    SNAPSHOTS = "snapshots"


@dataclass(frozen=True)
class Item:
    """A part of the cache that can be removed alone.

    ``size`` is its size on disk in bytes; ``last_used`` is in seconds since 1970; ``litter`` is the reason why it is
    useless, or None.
    """

    kind: ItemKind
    path: Path
    what: str
    size: int
    last_used: float
    in_use: bool
    litter: Optional[str] = None

    def as_json(self) -> dict[str, Any]:
        """Return the item as values for JSON."""
        return {
            "kind": self.kind.value,
            "name": self.path.name,
            "path": str(self.path),
            "what": self.what,
            "size": self.size,
            "last_used": int(self.last_used),
            "in_use": self.in_use,
            "litter": self.litter,
        }


def contents(cache: Path) -> list[Item]:
    """Return all items of the cache, which may not exist, by kind and name.

    Raises EnvironmentFailure if it cannot be read.
    """
    try:
        try:
            # Not Path.is_dir(): in some versions of Python it is False for a directory that may not be read.
            os.listdir(cache)
        except FileNotFoundError:
            return []
        # Items that an ending build removed meanwhile are not listed.
        return [item for item in _contents(cache) if os.path.lexists(item.path)]
    except OSError as error:
        raise cannot("read", cache, error) from error


def cannot(do: str, cache: Path, error: OSError) -> EnvironmentFailure:
    """Return the error for a system call on the cache that failed."""
    return EnvironmentFailure(
        f"cannot {do} the cache {cache}: {error.strerror}",
        why=str(error),
        hint="run this as the user who owns the cache; XDG_CACHE_HOME sets its place",
    )


def outputs(cache: Path) -> list[Path]:
    """Return the executables that have a record; the files may be gone."""
    try:
        return [Path(str(note["output"])) for note in _notes(cache).values() if "output" in note]
    except OSError as error:
        raise cannot("read", cache, error) from error


def _notes(cache: Path) -> dict[Path, dict[str, Any]]:
    return {path: _json(path) for path in _listed(cache / "record") if path.suffix == ".json"}


def _contents(cache: Path) -> Iterator[Item]:
    notes = _notes(cache)
    busy = builds_run(cache)
    for kind in (ItemKind.ROOTS, ItemKind.IMAGES):
        yield from kept_roots(cache, kind)
    for path in _directories(cache / "env"):
        if not path.name.startswith(OLD_PIP):
            yield _environment(path, notes)
    for path in _directories(cache / "toolchain"):
        yield _toolchain(path)
    for path in _directories(cache / "analysis"):
        yield _item(ItemKind.ANALYSES, path, "what sources import, for builds to come", busy)
    for path in _directories(cache / "packed"):
        yield _item(ItemKind.PACKED, path, f"what {path.name} has compressed, for builds to come", busy)
    for path in _directories(cache / "bundles"):
        yield _item(ItemKind.BUNDLES, path, "what an application was made of, for its next build", busy)
    if _listed(cache / "facts"):
        yield _item(
            ItemKind.FACTS, cache / "facts", "what interpreters say of themselves, and digests", busy, deep=True
        )
    for path in _directories(cache / "env"):
        if path.name.startswith(OLD_PIP):
            yield _item(
                ItemKind.PIP, path, f"pip for Python {path.name[len(OLD_PIP) :]}", busy or is_held(lock_of(path))
            )
    for path in _directories(cache / "pip"):
        # pip does not update the time of its cache's top directory.
        yield _item(ItemKind.PIP, path, "pip's downloads for a system to build in", busy, deep=True)
    for path in _directories(cache / "work"):
        held = is_held(path)
        litter = "no build uses it any more"
        yield _item(ItemKind.WORK, path, "a work directory", held, None if held else litter)
    for path in _listed(cache / "record"):
        yield _record(path, notes)
    for path in _listed(cache / "log"):
        yield _item(ItemKind.LOGS, path, "the output of tools", is_held(cache / "work" / path.stem))


def kept_roots(cache: Path, kind: ItemKind) -> Iterator[Item]:
    """Yield the roots of a kind: systems to build in, or those of images."""
    for path in _directories(cache / kind.value):
        yield _root(path, kind)


def _root(home: Path, kind: ItemKind) -> Item:
    origin = home / "origin.json"
    held = is_held(lock_of(home))
    litter = None if held or origin.is_file() else "it is incomplete"
    return _item(kind, home, str(_json(origin).get("source", "unknown")), held, litter)


def _environment(home: Path, notes: dict[Path, dict[str, Any]]) -> Item:
    held = is_held(lock_of(home))
    facts = dict(re.findall(r"^(\w+)\s*=\s*(.+?)\s*$", _text(home / "pyvenv.cfg"), re.MULTILINE))
    # On the host, the path of a chroot's Python is another file, or does not exist.
    inside = IN_CHROOT.search(_text(home / "bin" / "activate")) is not None
    litter = None
    if not (home / "complete").is_file():
        litter = "it is incomplete"
    elif not inside and not (home / "bin" / "python").exists():
        litter = "its Python is gone"
    python = f"Python {facts['version']}" if "version" in facts else "unknown"
    names = sorted({Path(str(note.get("output"))).name for note in notes.values() if _of(note) == home})
    what = python + (" of a chroot" if inside else "") + (f", for {', '.join(names)}" if names else "")
    return _item(ItemKind.ENVIRONMENTS, home, what, held, None if held else litter)


def _toolchain(home: Path) -> Item:
    held = is_held(lock_of(home))
    python = _text(home / "complete")
    litter = None if held or python else "it is incomplete"
    return _item(ItemKind.TOOLCHAINS, home, f"PyInstaller for {python or 'an unknown Python'}", held, litter)


def _record(path: Path, notes: dict[Path, dict[str, Any]]) -> Item:
    litter = None
    if path in notes:
        output = Path(str(notes[path].get("output", "")))
        what = str(output)
        if not output.is_file():
            litter = "its executable is gone"
        elif not (_of(notes[path]) / "complete").is_file():
            litter = "its environment is gone"
    else:
        what = "a record that is being written"
        if time.time() - path.lstat().st_mtime > ABANDONED:
            litter = "it is incomplete"
    return _item(ItemKind.RECORDS, path, what, False, litter)


def _of(note: dict[str, Any]) -> Path:
    """Return the environment of a record; a path that does not exist if the record is damaged."""
    environments = note.get("environment")
    return Path(str(next(iter(environments), ""))) if isinstance(environments, dict) else Path("/nonexistent")


def _item(
    kind: ItemKind, path: Path, what: str, in_use: bool, litter: Optional[str] = None, *, deep: bool = False
) -> Item:
    size, newest = measure(path)
    last_used = newest if deep else modified(path)
    return Item(kind, path, what, size, last_used, in_use, litter)


def modified(path: Path) -> float:
    """Return the modification time in seconds since 1970; 0 if the path does not exist."""
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def measure(path: Path) -> tuple[int, float]:
    """Return the size of a tree on disk in bytes, hard links counted once, and its newest modification time."""
    seen: set[tuple[int, int]] = set()
    size, newest = 0, 0.0
    pending = [str(path)]
    while pending:
        place = pending.pop()
        # Files that cannot be read or disappear meanwhile do not count.
        with contextlib.suppress(OSError):
            status = os.lstat(place)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            size += status.st_blocks * BLOCK
            newest = max(newest, status.st_mtime)
            if stat.S_ISDIR(status.st_mode):
                pending += [os.path.join(place, name) for name in os.listdir(place)]
    return size, newest


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _directories(folder: Path) -> list[Path]:
    return [path for path in _listed(folder) if path.is_dir() and not path.is_symlink()]


def _text(path: Path) -> str:
    """Return the text of a file in the cache; "" for anything else, which programs of other systems can put there."""
    try:
        with opened_top(path.parent) as folder, opened_below(folder, path.name, PLACE | os.O_NOFOLLOW) as place:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                return ""
            with open(reached(place), encoding="utf-8", errors="replace") as file:
                return file.read(MAX_TEXT)
    except OSError:
        return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def builds_run(cache: Path) -> bool:
    """Return whether any build is running."""
    return any(is_held(path) for path in _directories(cache / "work"))
