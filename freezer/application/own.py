"""What comes along of the application's own ground without being imported or asked for, with the reasons."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.application.drivers.entry_messages import EntryFacts, GroundRequest
from freezer.application.ground import Ground
from freezer.base.log import human_size
from freezer.plan.build import Plan
from freezer.plan.choices import Own
from freezer.system.buildroot import BuildRoot

SECRET, BY_SIZE, BY_NAME = "secret", ("larger", "heavy"), "its name"
"""What is in reasons why files stay out, and how they begin."""
MOST_NAMED = 3


@dataclass(frozen=True)
class OwnFile:
    """A file that comes along: its ``source``, the folder of the bundle that it goes to, its size in bytes, and why."""

    source: Path
    folder: str
    size: int
    why: str

    @property
    def place(self) -> str:
        """Return its path in the bundle."""
        return self.source.name if self.folder == "." else f"{self.folder}/{self.source.name}"


@dataclass(frozen=True)
class OwnGroup:
    """Files with one directory at the top of the bundle, or a single one, for one reason: ``path``, their number,
    their bytes, why they come along."""

    path: str
    files: int
    size: int
    why: str


@dataclass(frozen=True)
class OwnFound:
    """What comes along. ``modules`` are named or in a package, with the reason; ``foreign`` are modules of others that
    the code names, ``whole`` packages of which it names everything; ``left_out`` are files that stay out, with the
    reason; ``asks`` says how the code asks for the place of its files, and ``limited`` why data beside it stays out all
    the same; ``wheel`` is what a project's wheel has installed."""

    top: Optional[Path] = None
    files: tuple[OwnFile, ...] = ()
    modules: tuple[tuple[str, str], ...] = ()
    foreign: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    limited: Optional[str] = None
    asks: str = ""
    wheel: tuple[OwnGroup, ...] = ()

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(item.size for item in self.files)

    @property
    def large(self) -> tuple[str, ...]:
        """Return the paths of what stays out by its size."""
        return tuple(path for path, reason in self.left_out if reason.startswith(BY_SIZE))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the paths of secrets that stay out."""
        return tuple(path for path, reason in self.left_out if SECRET in reason)

    @property
    def unnamed(self) -> tuple[str, ...]:
        """Return the paths that stay out as their names cannot be written."""
        return tuple(path for path, reason in self.left_out if reason.startswith(BY_NAME))

    def groups(self) -> tuple[OwnGroup, ...]:
        """Return the files as people think of them: what is at the top of the bundle, directories as one."""
        sums: dict[tuple[str, str], tuple[int, int]] = {}
        for item in self.files:
            first, slash, _ = item.place.partition("/")
            key = (first + slash, item.why)
            number, size = sums.get(key, (0, 0))
            sums[key] = number + 1, size + item.size
        return (*self.wheel, *(OwnGroup(path, *counts, why) for (path, why), counts in sorted(sums.items())))

    def notes(self) -> dict[str, Any]:
        """Return what is told of it, for JSON: the same on every machine."""
        return {
            "files": [dataclasses.asdict(group) for group in self.groups()],
            "modules": [{"name": name, "why": why} for name, why in self.modules],
        }

    def lines(self) -> list[str]:
        """Return all of it for people: what comes along, and what stays out."""
        if not (self.files or self.modules or self.foreign or self.left_out or self.limited or self.wheel):
            return ["nothing but what the code imports"]
        number, size = sum(group.files for group in self.groups()), sum(group.size for group in self.groups())
        found = [f"{_counted(number, 'file')}, {human_size(size)}; {_counted(len(self.modules), 'module')}"]
        for group in self.groups():
            counted = f"{_counted(group.files, 'file')}, " if group.path.endswith("/") else ""
            found.append(f"  {group.path}  {counted}{human_size(group.size)}: {group.why}")
        together: dict[tuple[str, str], list[str]] = {}
        for name, why in self.modules:
            together.setdefault((name.partition(".")[0], why), []).append(name)
        for (top, why), names in together.items():
            found.append(f"  {names[0] if len(names) == 1 else f'{top}  {len(names)} modules'}: {why}")
        if self.foreign:
            found += ["named, of others:", *(f"  {name}" for name in self.foreign)]
        if self.left_out or self.limited:
            found += ["left out:", *(f"  {path}: {why}" for path, why in self.left_out)]
        if self.limited:
            found.append(f"  data beside the code: {self.limited}")
        return found

    def sentence(self) -> str:
        """Return one line for the log; "" if there is nothing to say."""
        parts = [f"data beside the code stays out: {self.limited}"] if self.limited and not self.files else []
        if self.files:
            names = list(dict.fromkeys(group.path for group in self.groups()[len(self.wheel) :]))
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            parts.append(
                f"{_counted(len(self.files), 'file')}, {human_size(self.size)}: {', '.join(names[:MOST_NAMED])}{more}"
            )
        if self.secrets:
            parts.append(f"left out as secret: {', '.join(self.secrets[:MOST_NAMED])}")
        if self.large:
            parts.append(f"left out as large: {', '.join(self.large[:MOST_NAMED])}")
        if self.unnamed:
            parts.append(f"left out, their names are not UTF-8: {', '.join(map(ascii, self.unnamed[:MOST_NAMED]))}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Learnt:
    """What comes along by the file of learned things, besides files of the application's own.

    ``modules`` are names, ``data`` and ``binaries`` (file, folder in the bundle), ``metadata`` distributions,
    ``entry_points`` groups of these; ``stale`` are the lines that nothing answers to.
    """

    modules: tuple[str, ...] = ()
    data: tuple[tuple[Path, str], ...] = ()
    binaries: tuple[tuple[Path, str], ...] = ()
    metadata: tuple[str, ...] = ()
    entry_points: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ground_request(plan: Plan, ground: Optional[Ground], root: BuildRoot) -> GroundRequest:
    """Return the ground as the driver is told of it."""
    own = (plan.own or Own.ALL).value
    if ground is None:
        return {"own": own, "top": None, "project": None, "limited": True, "code": [], "data": [], "refused": []}
    return {
        "own": own,
        "top": root.inside(ground.top),
        "project": _inside(root, ground.project) or root.inside(ground.top),
        "limited": ground.limited is not None,
        "code": [root.inside(path) for path in ground.code],
        "data": [(root.inside(path), path.stat().st_size, reason) for path, reason in ground.data],
        "refused": [(root.inside(path), reason) for path, reason in ground.refused],
    }


def _inside(root: BuildRoot, path: Path) -> Optional[str]:
    """Return the path inside a system; None if it is not visible there, as what is above the sources."""
    try:
        return root.inside(path)
    except ValueError:
        return None


def own_found(
    facts: EntryFacts, ground: Optional[Ground], root: BuildRoot, unpacked: Optional[Path] = None
) -> OwnFound:
    """Return what the driver has found; ``unpacked`` is the directory that a project's wheel was unpacked to."""
    files = [(root.outside(path), folder, why) for path, folder, why in facts["data"]]
    left_out = [(root.outside(path), reason) for path, reason in sorted(facts["left_out"].items())]
    return OwnFound(
        top=ground.top if ground is not None else None,
        files=tuple(OwnFile(path, folder, path.stat().st_size, why) for path, folder, why in files),
        modules=tuple(sorted(facts["modules"].items())),
        foreign=tuple(facts["foreign"]),
        whole=tuple(facts["whole"]),
        left_out=tuple((name, why) for name, (_, why) in zip(_shown(ground, (p for p, _ in left_out)), left_out)),
        limited=ground.limited if ground is not None and facts["asks"] else None,
        asks=facts["asks"],
        wheel=_of_wheel(unpacked) if unpacked is not None else (),
    )


def _of_wheel(unpacked: Path) -> tuple[OwnGroup, ...]:
    """Return what a wheel has installed, but for what describes it."""
    found = []
    for path in sorted(unpacked.iterdir()):
        if path.suffix != ".dist-info" and path.name != "bin":
            files = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
            name = f"{path.name}/" if path.is_dir() else path.name
            found.append(OwnGroup(name, len(files), sum(item.stat().st_size for item in files), "the wheel has it"))
    return tuple(found)


def _shown(ground: Optional[Ground], paths: Iterable[Path]) -> Iterator[str]:
    """Yield paths as people are told them: relative to the ground if they are below it."""
    for path in paths:
        below = ground is not None and ground.top in path.parents
        yield str(path.relative_to(ground.top)) if below and ground is not None else str(path)
