"""The native linker's tree for an image: at its final place, and in parts that change at different times.

An image needs no launcher, as nothing is unpacked: it contains the tree itself, at a known place, and this module fills
in the paths that the launcher would fill in. Engines push, pull and store layers by their digests. So that a changed
line of the application's code changes only the last layer, every file goes to one of three parts: those that Python
needs for any application, those that the application depends on, and its own. Each part has an archive of its modules,
which names the next archive.

Names decide to which part files and modules belong, as in ``inspect``; for the application's own, it is the place of
their sources (freezer/freeze/drivers/own_sources.py). A library of the system is Python's if Python or the standard
library needs it.
"""

from __future__ import annotations

import dataclasses
import enum
import os
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from freezer.base.elf import Elf, find_elves, read_elf
from freezer.base.job import Job
from freezer.closure.close import OPENED_AT_RUN_TIME, ClosedApp
from freezer.link.bundle_files import files_of_bundle
from freezer.link.modules import MAIN_SCRIPT, Archive, Package, whole, write_archive
from freezer.link.papers import papers
from freezer.link.parts import DATA, RUNTIME, STANDARD, Names, names_of
from freezer.link.payload.pack import Record, Type
from freezer.link.programs import with_tree_loader
from freezer.link.start import MODULES, Container, can_have_init, start_records
from freezer.link.tree import landmarks, manifest, without_loaders
from freezer.plan.choices import CONTENTS

PLACE = "/app"
"""Where the tree is in an image."""
NAMESPACE = 3
"""A package without code, in PyInstaller's archives."""
PYTHONS = frozenset((RUNTIME, STANDARD, DATA))
"""The kinds of files that go with Python; the data of the system among them is what an empty root lacks."""


class Part(enum.Enum):
    """The parts, in the order of their layers; the value is the archive of modules in each."""

    RUNTIME = MODULES
    DEPENDENCIES = f"{MODULES}.dependencies"
    APPLICATION = f"{MODULES}.application"

    @property
    def next(self) -> str:
        """Return the archive that is searched for modules after this part's; it always exists, so that no part depends
        on the content of another."""
        parts = list(Part)
        return "" if self is parts[-1] else str(parts[parts.index(self) + 1].value)


@dataclass(frozen=True)
class UnpackedApp:
    """An application that runs where it is. ``parts`` are the files below PLACE, with all paths filled in; PROGRAM,
    which is the same for all applications, belongs to the runtime. ``python`` is the interpreter that PROGRAM is made
    of, and ``version`` its version, such as "3.11"."""

    python: Elf
    version: str
    parts: Mapping[Part, tuple[Record, ...]]

    def sizes(self) -> dict[Part, int]:
        """Return the size of each part, in bytes."""
        return {part: sum(item.size for item in found) for part, found in self.parts.items()}


def make_layers(closed: ClosedApp, package: Package, job: Job, *, init: bool) -> UnpackedApp:
    """Make the parts; files that are not in the bundle are written below the work directory. With ``init``, process 1
    becomes an init.

    Raises ToolError, or EnvironmentFailure if this installation lacks the library that starts the application.
    """
    # In a separate directory, as the application may also be linked natively.
    job = dataclasses.replace(job, work=job.folder("unpacked"))
    init = can_have_init(init, job)
    frozen = closed.frozen
    found = files_of_bundle(closed)
    unused = without_loaders(closed, package, found)
    kept = [item for item in found if item.name not in unused]
    records = with_tree_loader(kept, closed.interpreter, Container.LAYERS, job)
    inside = [item.name.partition("/")[2] for item in records if item.name.startswith(f"{CONTENTS}/")]
    names = names_of(frozen.name, package.modules, inside)
    files = split_files(records, names, frozen.own_files, needed_by_python(closed, names))
    modules = split_modules(package, names, frozen.own_modules)
    parts: dict[Part, list[Record]] = {part: [] for part in Part}
    for item in records:
        if item.name in files:
            parts[files[item.name]].append(item)
    made = job.folder("made")
    everything = whole(package, frozen.contents)
    for part in Part:
        archive = dataclasses.replace(
            everything,
            modules=modules[part],
            # Which hooks run, and in which order, depends on the application; they are a few kilobytes.
            scripts=everything.scripts if part is Part.APPLICATION else (),
            extensions={
                name: path
                for name, path in everything.extensions.items()
                if files.get(f"{CONTENTS}/{path}", Part.DEPENDENCIES) is part
            },
            path=_search_path(everything, part),
            next=part.next,
        )
        write_archive(made / part.value, package, archive)
        parts[part].append(Record(Type.FILE, part.value, source=made / part.value))
    parts[Part.RUNTIME] += landmarks(package)
    parts[Part.RUNTIME] += start_records(closed, package, Container.LAYERS, job, init=init, place=PLACE)
    parts[Part.APPLICATION].append(manifest(closed))
    parts[Part.APPLICATION] += papers(closed, [item for found in parts.values() for item in found], Container.LAYERS)
    return UnpackedApp(
        python=read_elf(closed.python),
        version="{}.{}".format(*package.version),
        parts={part: tuple(at(PLACE, item) for item in found) for part, found in parts.items()},
    )


def _search_path(everything: Archive, part: Part) -> tuple[str, ...]:
    """Return the directories that a part adds to ``sys.path``: eggs belong to the application's dependencies."""
    own = everything.path.index("") + 1
    if part is Part.RUNTIME:
        return everything.path[:own]
    return everything.path[own:] if part is Part.DEPENDENCIES else ()


def at(place: str, record: Record) -> Record:
    """Return a file with the paths filled in that the launcher would fill in, for a tree at ``place``."""
    if not record.fixups:
        return record
    data = bytearray(Path(record.source).read_bytes() if record.source is not None else record.data)
    for offset, room in record.fixups:
        below = bytes(data[offset : offset + room]).rstrip(b"\0")
        data[offset : offset + room] = (os.fsencode(place) + below).ljust(room, b"\0")
    return Record(record.type, record.name, data=bytes(data))


def needed_by_python(closed: ClosedApp, names: Names) -> frozenset[str]:
    """Return the libraries, by their paths in the tree, that the interpreter and the standard library need, directly or
    through others, and those that the C library opens; it does not matter what else needs them."""
    frozen = closed.frozen
    elves = {os.path.relpath(elf.path, frozen.tree): elf for elf in find_elves(frozen.tree)}
    # Packages may contain libraries of the same name; those of the system are at the top.
    shared: dict[str, list[str]] = {}
    for path, elf in elves.items():
        if posixpath.dirname(path) in ("", CONTENTS):
            for name in {posixpath.basename(path), *filter(None, [elf.soname])}:
                shared.setdefault(name, []).append(path)
    queue: list[Elf] = [
        read_elf(closed.python),
        *(elf for path, elf in elves.items() if _is_of_standard_library(path, names, frozen.own_files)),
    ]
    wanted = {closed.interpreter, *OPENED_AT_RUN_TIME}
    found: set[str] = set()
    while queue or wanted:
        wanted.update(*(elf.needed for elf in queue))
        new = {path for name in wanted for path in shared.get(name, ())} - found
        found |= new
        queue, wanted = [elves[path] for path in sorted(new)], set()
    return frozenset(found)


def _is_of_standard_library(path: str, names: Names, own: frozenset[str]) -> bool:
    folder, _, below = path.partition("/")
    return folder == CONTENTS and below not in own and names.file(below)[1] == STANDARD


def split_files(
    records: Iterable[Record], names: Names, own: frozenset[str], libraries: frozenset[str]
) -> dict[str, Part]:
    """Return the part of each file, link and empty directory of the tree; other directories belong to no part.

    ``own`` are the application's files, as paths below the contents; ``libraries`` are Python's, as paths in the tree.
    """
    records = list(records)
    targets = {item.name: os.fsdecode(item.data) for item in records if item.type is Type.LINK}
    files = {item.name for item in records if item.type in (Type.FILE, Type.EXECUTABLE)}

    def part_of(name: str) -> Part:
        folder, _, below = name.partition("/")
        if name in libraries:
            return Part.RUNTIME
        if folder != CONTENTS:
            return Part.DEPENDENCIES
        if below in own:
            return Part.APPLICATION
        kind = names.file(below)[1]
        return Part.RUNTIME if kind in PYTHONS else Part.DEPENDENCIES

    def led_to(name: str) -> str:
        for _ in range(40):  # as many links as the kernel follows
            if name not in targets:
                break
            name = posixpath.normpath(posixpath.join(posixpath.dirname(name), targets[name]))
        return name

    parts = {name: part_of(name) for name in files}
    for name in targets:
        # A link is useless without its target.
        parts[name] = parts.get(led_to(name), part_of(name))
    occupied = {posixpath.dirname(name) for name in parts}
    occupied |= {above for name in occupied for above in _above(name)}
    for item in records:
        if item.type is Type.DIRECTORY and item.name not in occupied:
            parts[item.name] = part_of(item.name)
    return parts


def _above(name: str) -> Iterable[str]:
    while name:
        yield name
        name = posixpath.dirname(name)


def split_modules(package: Package, names: Names, own: frozenset[str]) -> dict[Part, tuple[str, ...]]:
    """Return the names of each part's modules. A namespace package is the application's if all its modules are."""
    namespaces = [name for name, (_, _, kind) in package.modules.items() if kind == NAMESPACE]
    all_own = set(own) | {MAIN_SCRIPT}
    for name in namespaces:
        below = [item for item in package.modules if item.startswith(f"{name}.") and item not in namespaces]
        if below and all(item in own for item in below):
            all_own.add(name)
    parts: dict[Part, list[str]] = {part: [] for part in Part}
    for name in sorted(package.modules):
        if name in all_own:
            parts[Part.APPLICATION].append(name)
        else:
            python = names.module(name)[1] in PYTHONS
            parts[Part.RUNTIME if python else Part.DEPENDENCIES].append(name)
    return {part: tuple(found) for part, found in parts.items()}
