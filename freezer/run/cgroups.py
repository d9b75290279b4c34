"""Limits of memory, processes and processors for all processes of an application together (cgroups(7)).

A group is made below freezer's own, or below one further up, where this user may do so. That is so for root, and
where systemd has delegated a group; there is no other way that would hold, and so what cannot be limited is an error.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.errors import EnvironmentFailure
from freezer.run.wanted import Limits

PERIOD = 100_000
"""Microseconds in which the processors' time is counted."""
OWN_PROCESSES = 2
"""The keeper and init (see ``freezer.run.cell``), which are in the group, too."""
PATIENCE = 2.0
"""Seconds in which the kernel takes leave of processes that have ended."""
NAME = re.compile("freezer-run-([0-9]+)-[0-9a-f]{8}")
PROCESSES = "cgroup.procs"


@dataclass(frozen=True)
class Hierarchy:
    """A mounted tree of groups: of version 2, or of version 1 with these controllers; ``own`` is the directory of this
    process's group."""

    top: Path
    own: Path
    unified: bool
    controllers: frozenset[str]


@dataclass(frozen=True)
class Group:
    """A group that was made, or several with the same limits to meet."""

    places: tuple[Path, ...]

    def killed_for_memory(self) -> bool:
        """Return whether the kernel has ended a process because the memory was not enough."""
        for place in self.places:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError):
                    if re.search(r"^oom_kill [1-9]", (place / name).read_text(), re.MULTILINE):
                        return True
        return False


def hierarchies(mounts: str, own: str) -> list[Hierarchy]:
    """Return the trees of groups, by the texts of /proc/self/mountinfo and /proc/self/cgroup."""
    paths: dict[str, str] = {}
    for line in own.splitlines():
        _, names, path = line.split(":", 2)
        paths.update(dict.fromkeys(names.split(","), path))
    found = []
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = (rest.split(" ") + ["", ""])[:3]
        root, place = fields.split(" ")[3:5]
        controllers = frozenset(options.split(",")) & set(paths) if kind == "cgroup" else frozenset(("",))
        group = next((paths[name] for name in sorted(controllers) if name in paths), None)
        if kind not in ("cgroup", "cgroup2") or group is None:
            continue
        below = os.path.relpath(group, root)
        # A namespace of groups, or a mount of a part, may hide the group that this process is in.
        own_place = Path(place, below) if not below.startswith("..") else Path(place)
        found.append(Hierarchy(Path(place), own_place, kind == "cgroup2", controllers))
    return found


def settings_of(limits: Limits, *, unified: bool) -> dict[str, list[tuple[str, str, bool]]]:
    """Return for each controller the files to write: name, value, and whether it may be missing."""
    found: dict[str, list[tuple[str, str, bool]]] = {}
    if limits.memory is not None:
        size = str(limits.memory)
        found["memory"] = (
            [("memory.max", size, False), ("memory.swap.max", "0", True)]
            if unified
            else [("memory.limit_in_bytes", size, False), ("memory.memsw.limit_in_bytes", size, True)]
        )
    if limits.processes is not None:
        found["pids"] = [("pids.max", str(limits.processes + OWN_PROCESSES), False)]
    if limits.processors is not None:
        quota = str(max(1000, round(limits.processors * PERIOD)))
        found["cpu"] = (
            [("cpu.max", f"{quota} {PERIOD}", False)]
            if unified
            else [("cpu.cfs_period_us", str(PERIOD), False), ("cpu.cfs_quota_us", quota, False)]
        )
    return found


@contextlib.contextmanager
def limited(limits: Limits) -> Iterator[Group]:
    """Make a group with these limits, for the processes that will be put into it, and remove it in the end.

    Raises EnvironmentFailure if this user cannot, or if the kernel lacks a limit.
    """
    made: list[Path] = []
    try:
        if limits:
            trees = hierarchies(_read("/proc/self/mountinfo"), _read("/proc/self/cgroup"))
            _make(limits, trees, made)
        yield Group(tuple(made))
    finally:
        for place in made:
            _remove(place)


def _make(limits: Limits, trees: Sequence[Hierarchy], made: list[Path]) -> None:
    unified = settings_of(limits, unified=True)
    for tree in trees:
        parent = _delegated(tree, unified) if tree.unified else None
        if parent is not None:
            _limit(limits, parent, unified, made)
            return
    for controller, settings in settings_of(limits, unified=False).items():
        own = next((tree.own for tree in trees if not tree.unified and controller in tree.controllers), None)
        if own is None or not _may_join(own):
            raise _refusal(limits, controller)
        _limit(limits, own, {controller: settings}, made)


def _limit(
    limits: Limits, parent: Path, settings: Mapping[str, Sequence[tuple[str, str, bool]]], made: list[Path]
) -> None:
    """Make a group below another one, and set its limits."""
    _sweep(parent)
    place = parent / f"freezer-run-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        place.mkdir()
        made.append(place)
        for name, value, may_be_missing in (item for items in settings.values() for item in items):
            if not may_be_missing or (place / name).exists():
                (place / name).write_text(value)
    except OSError as error:
        raise _refusal(limits, f"{error.filename}: {error.strerror}") from error


def _delegated(tree: Hierarchy, settings: Mapping[str, object]) -> Optional[Path]:
    """Return the nearest group that may have groups with these controllers below it, and that this user may use."""
    place = tree.own
    while tree.top in (place, *place.parents):
        if not _may_join(place):
            return None
        if set(settings) <= set(_read(place / "cgroup.controllers").split()):
            missing = set(settings) - set(_read(place / "cgroup.subtree_control").split())
            with contextlib.suppress(OSError):  # a group with processes in it cannot
                if missing:
                    (place / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(missing)))
                return place
        place = place.parent
    return None


def _may_join(place: Path) -> bool:
    """Return whether this user may make a group below another one, and move a process there."""
    return os.access(place, os.W_OK | os.X_OK) and os.access(place / PROCESSES, os.W_OK)


def _sweep(parent: Path) -> None:
    """Remove the groups of runs that were killed; a group with a process in it cannot be removed."""
    for path in parent.glob("freezer-run-*"):
        match = NAME.fullmatch(path.name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            with contextlib.suppress(OSError):
                path.rmdir()


def _remove(place: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            place.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _refusal(limits: Limits, why: str) -> EnvironmentFailure:
    properties = []
    if limits.memory is not None:
        properties.append(f"-p MemoryMax={limits.memory}")
    if limits.processes is not None:
        properties.append(f"-p TasksMax={limits.processes}")
    if limits.processors is not None:
        properties.append(f"-p CPUQuota={round(limits.processors * 100)}%")
    return EnvironmentFailure(
        "the limits cannot be set here",
        why=f"no group of processes was delegated to this user (cgroups, {why})",
        hint=f"have systemd set them: systemd-run --user --scope {' '.join(properties)} freezer run ...\nor be root",
    )
