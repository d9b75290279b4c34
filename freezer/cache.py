"""What is in the cache, and taking out of it what is not needed, while builds go on.

Builds hold what they use by a lock that the kernel gives back however they end: a work directory by one on itself, a
root or an environment by a shared one on the lock file beside it. What has no lock of its own is taken to be in use
while any build runs. Nothing is removed where it is: it is renamed into ``work`` first, where a directory that nobody
holds is swept by the next build, so that a removal may be killed at any point and half a thing is never found.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.chroot.root import OWN
from freezer.errors import EnvironmentFailure, UsageError
from freezer.workspace import locked, remove_tree

HOUR = 3600
AGES = {"h": HOUR, "d": 24 * HOUR, "w": 7 * 24 * HOUR}
SIZES = {"B": 1} | {
    unit: factor**power
    for power, letter in enumerate("KMGT", 1)
    for factor, units in ((1000, (letter, f"{letter}B")), (1024, (f"{letter}I", f"{letter}IB")))
    for unit in units
}
BLOCK = 512
"""Bytes in a unit of st_blocks, whatever the file system (inode(7))."""
ABANDONED = 24 * HOUR
"""Seconds after which a note that is being written is not going to be finished."""
OLD_PIP = "pip-"
"""What starts the names of the pips for old Pythons, among the environments."""
IN_CHROOT = re.compile(rf"VIRTUAL_ENV=[\"']?{OWN}/")


class Kind(enum.Enum):
    """What the cache has, as the command line calls it."""

    ROOTS = "roots"
    ENVIRONMENTS = "environments"
    PIP = "pip"
    WORK = "work"
    RECORDS = "records"
    LOGS = "logs"


@dataclass(frozen=True)
class Item:
    """Something in the cache that can be removed alone.

    ``size`` is what it takes up on disk, in bytes; ``last_used`` is in seconds since 1970; ``litter`` says why it is of
    no use to anybody, if it is not.
    """

    kind: Kind
    path: Path
    what: str
    size: int
    last_used: float
    in_use: bool
    litter: Optional[str] = None

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
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


@dataclass(frozen=True)
class Rules:
    """What to remove besides litter: what was not used for ``older_than`` seconds, the least recently used until the
    rest has at most ``max_size`` bytes, or ``everything``; of these ``kinds`` only."""

    older_than: Optional[float] = None
    max_size: Optional[int] = None
    everything: bool = False
    kinds: frozenset[Kind] = frozenset(Kind)


def parse_age(text: str) -> float:
    """The seconds that an age such as 12h, 30d or 2w means. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", text.strip(), re.ASCII)
    if match is None:
        raise UsageError(f"--older-than {text}: this is no age", hint="give hours, days or weeks: 12h, 30d, 2w")
    return float(match[1]) * AGES[match[2]]


def parse_size(text: str) -> int:
    """The bytes that a size such as 500M, 5G or 4GiB means. Raises UsageError.

    There must be a unit: a bare number is bytes to some tools and gigabytes to others.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Z]+)", text.strip().upper(), re.ASCII)
    if match is None or match[2] not in SIZES:
        raise UsageError(f"--max-size {text}: this is no size", hint="give a number and a unit: 500M, 5G, 4GiB, 0B")
    return int(float(match[1]) * SIZES[match[2]])


def contents(cache: Path) -> list[Item]:
    """All that is in the cache, which may not exist, by kind and name.

    Raises EnvironmentFailure if it cannot be read.
    """
    try:
        try:
            # Not Path.is_dir(), to which a cache that may not be looked at is none, depending on Python's version.
            os.listdir(cache)
        except FileNotFoundError:
            return []
        # What a build that ended meanwhile took away is not listed.
        return [item for item in _contents(cache) if os.path.lexists(item.path)]
    except OSError as error:
        raise _cannot("read", cache, error) from error


def _cannot(do: str, cache: Path, error: OSError) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"cannot {do} the cache {cache}: {error.strerror}",
        why=str(error),
        hint="run this as the user whose cache it is; XDG_CACHE_HOME says where it is",
    )


def _contents(cache: Path) -> Iterator[Item]:
    notes = {path: _json(path) for path in _listed(cache / "record") if path.suffix == ".json"}
    busy = _builds_run(cache)
    for path in _directories(cache / "roots"):
        yield _root(path)
    for path in _directories(cache / "env"):
        if not path.name.startswith(OLD_PIP):
            yield _environment(path, notes)
    for path in _directories(cache / "env"):
        if path.name.startswith(OLD_PIP):
            yield _item(Kind.PIP, path, f"pip for Python {path.name[len(OLD_PIP) :]}", busy or _is_held(lock_of(path)))
    for path in _directories(cache / "pip"):
        # pip notes no use at the top of its cache.
        yield _item(Kind.PIP, path, "pip's downloads for a system to build in", busy, deep=True)
    for path in _directories(cache / "work"):
        held = _is_held(path)
        litter = "nobody works in it any more"
        yield _item(Kind.WORK, path, "a work directory", held, None if held else litter)
    for path in _listed(cache / "record"):
        yield _record(path, notes)
    for path in _listed(cache / "log"):
        yield _item(Kind.LOGS, path, "what the tools printed", _is_held(cache / "work" / path.stem))


def _root(home: Path) -> Item:
    origin = home / "origin.json"
    held = _is_held(lock_of(home))
    litter = None if held or origin.is_file() else "it is incomplete"
    return _item(Kind.ROOTS, home, str(_json(origin).get("source", "unknown")), held, litter)


def _environment(home: Path, notes: dict[Path, dict[str, Any]]) -> Item:
    held = _is_held(lock_of(home))
    facts = dict(re.findall(r"^(\w+)\s*=\s*(.+?)\s*$", _text(home / "pyvenv.cfg"), re.MULTILINE))
    # In a chroot its Python is at a path that is another file here, or none.
    inside = IN_CHROOT.search(_text(home / "bin" / "activate")) is not None
    litter = None
    if not (home / "complete").is_file():
        litter = "it is incomplete"
    elif not inside and not (home / "bin" / "python").exists():
        litter = "its Python is gone"
    python = f"Python {facts['version']}" if "version" in facts else "unknown"
    names = sorted({Path(str(note.get("output"))).name for note in notes.values() if _of(note) == home})
    what = python + (" of a chroot" if inside else "") + (f", for {', '.join(names)}" if names else "")
    return _item(Kind.ENVIRONMENTS, home, what, held, None if held else litter)


def _record(path: Path, notes: dict[Path, dict[str, Any]]) -> Item:
    litter = None
    if path in notes:
        output = Path(str(notes[path].get("output", "")))
        what = str(output)
        if not output.is_file():
            litter = "the executable that it is about is gone"
        elif not (_of(notes[path]) / "complete").is_file():
            litter = "the environment that it is about is gone"
    else:
        what = "a note that is being written"
        if time.time() - path.lstat().st_mtime > ABANDONED:
            litter = "it is incomplete"
    return _item(Kind.RECORDS, path, what, False, litter)


def _of(note: dict[str, Any]) -> Path:
    return Path(str(note.get("environment", "")))


def _item(kind: Kind, path: Path, what: str, in_use: bool, litter: Optional[str] = None, *, deep: bool = False) -> Item:
    size, newest = _measure(path)
    last_used = newest if deep else _modified(path)
    return Item(kind, path, what, size, last_used, in_use, litter)


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def _measure(path: Path) -> tuple[int, float]:
    """What a tree takes up on disk in bytes, a file with several names once, and the newest of its times."""
    seen: set[tuple[int, int]] = set()
    size, newest = 0, 0.0
    pending = [str(path)]
    while pending:
        place = pending.pop()
        # What cannot be looked into, or goes away meanwhile, counts as nothing.
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
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def lock_of(home: Path) -> Path:
    """The file whose lock stands for a root or an environment."""
    return home.with_name(f"{home.name}.lock")


def _is_held(path: Path) -> bool:
    """Whether somebody holds a lock on a file or directory; that it cannot be told counts as held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _builds_run(cache: Path) -> bool:
    return any(_is_held(path) for path in _directories(cache / "work"))


def choose(items: Sequence[Item], rules: Rules, now: float) -> list[Item]:
    """What to remove by these rules; never what is in use. ``now`` is in seconds since 1970."""
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
    """Remove one thing, unless somebody has begun to use it, or did so since it was looked at; whether it was removed.

    Raises EnvironmentFailure if that is not possible.
    """
    try:
        with _taken(cache, item) as place:
            if place is None:
                return False
            if place.is_dir():
                remove_tree(place)
            else:
                place.unlink(missing_ok=True)
    except OSError as error:
        raise _cannot("remove something of", cache, error) from error
    if os.path.lexists(place):
        raise EnvironmentFailure(
            f"cannot remove all of {item.path}",
            why=f"what is left of it is {place}",
            hint="remove that as root",
        )
    return True


@contextlib.contextmanager
def _taken(cache: Path, item: Item) -> Iterator[Optional[Path]]:
    """Where the thing is to be removed from, in nobody's way; None if it is not to be removed."""
    with contextlib.ExitStack() as hold:
        place = None
        with contextlib.suppress(BlockingIOError), contextlib.ExitStack() as lock:
            if item.kind in (Kind.ROOTS, Kind.ENVIRONMENTS):
                lock.enter_context(_locked_now(lock_of(item.path)))
            else:
                # No build begins while this lock is held.
                lock.enter_context(locked(cache / "work.lock"))
            if _still_free(cache, item):
                if item.path.is_dir():
                    # From now on the sweep leaves it alone.
                    hold.enter_context(_locked_now(item.path))
                place = _aside(cache, item)
        # Removing takes a while, and nobody needs to wait for it.
        yield place


def _still_free(cache: Path, item: Item) -> bool:
    if not os.path.lexists(item.path):
        return False
    if item.kind is Kind.PIP:
        return not _builds_run(cache)
    if item.kind is Kind.LOGS:
        return not _is_held(cache / "work" / item.path.stem)
    # A build notes the time when it uses a root or an environment, and may have ended.
    return item.kind is Kind.WORK or _modified(item.path) == item.last_used


@contextlib.contextmanager
def _locked_now(path: Path) -> Iterator[None]:
    """An exclusive lock on a directory, or a lock file that is made as needed. Raises BlockingIOError."""
    if path.is_dir():
        # One that may not be written to could not be moved, nor one that may not be read be opened.
        os.chmod(path, 0o700)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    else:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _aside(cache: Path, item: Item) -> Path:
    """Move a directory to where the sweep looks; a file goes in one step anyway."""
    if item.kind is Kind.WORK or not item.path.is_dir():
        return item.path
    (cache / "work").mkdir(exist_ok=True, mode=0o700)
    place = cache / "work" / f"{item.path.name}-{secrets.token_hex(4)}"
    os.rename(item.path, place)
    return place
