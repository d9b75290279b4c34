"""The contents of an executable: its tree, or its bundle if PyInstaller's bootloader starts it.

Neither is trusted: a tree is unpacked by ``prove.unpack``, and PyInstaller's archive is read in a separate process. The
sizes add up: the items of an archive are its entries and the remaining bytes, such as start-up code and tables of
contents.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base import tools
from freezer.base.elf import read_elf
from freezer.base.elf_file import NotElf
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.removal import remove_tree
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers import pyinstaller_internals as internals
from freezer.freeze.drivers.freeze_messages import ArchiveListing, ListRequest
from freezer.inspect.report import Item, OwnPart
from freezer.inspect.tree_files import executable_items
from freezer.link.drivers.staticx_internals import NAME_SERVICES
from freezer.link.parts import APPLICATION, RUNTIME, Names, names_of
from freezer.link.start import STARTER
from freezer.plan.choices import CONTENTS, MANIFEST, Linker
from freezer.prove.unpack import Unpacked, find_archive, unpack_bundle

TABLE = "table of contents"
MOST_NOTES = 16 << 20
"""Bytes of notes that are read."""
FILES = (internals.BINARY, internals.DATA, internals.LINK)
"""What a one-file program of PyInstaller's unpacks."""


def inspect_executable(path: Path, job: Job, *, name: Optional[str] = None) -> tuple[Item, ...]:
    """Return an executable's items alone; see ``inspect_with_notes``."""
    return inspect_with_notes(path, job, name=name)[0]


def inspect_with_notes(
    path: Path, job: Job, *, name: Optional[str] = None
) -> tuple[tuple[Item, ...], tuple[OwnPart, ...]]:
    """Return an executable's items, sorted by path; the file itself if not made by freezer, staticx or PyInstaller.
    With them, what of the application's own the build has taken along unasked, as far as it is noted.

    ``name`` is the file's original name. The sizes of the items add up to those of the unpacked files and of the
    program that unpacks them. Raises InputError if the file is damaged.
    """
    own: tuple[OwnPart, ...] = ()
    name = name or path.name
    folder = Path(tempfile.mkdtemp(prefix="inspect-", dir=job.work))
    try:
        unpacked = unpack_bundle(path, folder / "bundle")
        if unpacked is None:
            listing = _list_archive(path, job)
            items = list(_program(name, path.stat().st_size, listing, ()))
        elif (unpacked.folder / STARTER).is_file() or unpacked.linker is Linker.NATIVE:
            items = list(executable_items(unpacked, path, name))
        else:
            items = list(_bundle(unpacked, job))
            place = find_archive(path)
            assert place is not None
            items.append(Item(".staticx.start", path.stat().st_size - place[1], "staticx", RUNTIME))
        if unpacked is not None:
            own = read_notes(unpacked.folder / MANIFEST)
    finally:
        remove_tree(folder)
    return tuple(sorted(items, key=lambda item: (item.path, item.size))), own


def read_notes(file: Path) -> tuple[OwnPart, ...]:
    """Return what the notes in an executable say of the application's own; nothing if they cannot be understood."""
    try:
        if file.is_symlink() or file.stat().st_size > MOST_NOTES:
            return ()
        own = json.loads(file.read_text(encoding="utf-8")).get("own", {})
        files = [OwnPart(str(i["path"]), int(i["files"]), int(i["size"]), str(i["why"])) for i in own.get("files", ())]
        return (*files, *(OwnPart(str(i["name"]), 0, 0, str(i["why"])) for i in own.get("modules", ())))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ()


def architecture(path: Path) -> str:
    """Return the machine of an ELF file, by its name in ``uname -m``. Raises InputError if the file is damaged."""
    try:
        elf = read_elf(path)
    except NotElf as error:
        raise InputError(f"{path} is not an executable", why=str(error)) from error
    return {"EM_386": "i686"}.get(elf.machine, elf.machine.replace("EM_", "").lower())


@dataclass(frozen=True)
class Listing:
    """The archive of a program of PyInstaller: its start and end in the file, its entries with their type codes and
    packed lengths, and the modules of the entries that are archives of modules; numbers are in bytes."""

    start: int
    end: int
    entries: tuple[tuple[str, str, int], ...]
    modules: dict[str, tuple[tuple[str, int], ...]]

    def module_names(self) -> Iterator[str]:
        """Return the full names of all modules."""
        return (name for part in self.modules.values() for name, _ in part)


def parse_listing(text: str, size: int, name: str) -> Optional[Listing]:
    """Parse the driver's reply about a program of ``size`` bytes; return None if the program has no archive.

    Raises InputError if the entries do not fit into the archive.
    """
    reply: Optional[ArchiveListing] = json.loads(text)
    if reply is None:
        return None
    entries = tuple((str(entry), str(kind), int(length)) for entry, kind, length in reply["entries"])
    modules = {
        str(archive): tuple((str(module), int(length)) for module, length in part)
        for archive, part in reply["modules"].items()
    }
    listing = Listing(int(reply["start"]), int(reply["end"]), entries, modules)
    room = {entry: length for entry, _, length in entries}
    fits = (
        0 <= listing.start <= listing.end <= size
        and sum(length for _, _, length in entries) <= listing.end - listing.start
        and all(sum(length for _, length in part) <= room[archive] for archive, part in modules.items())
        and all(length >= 0 for _, _, length in entries)
        and all(length >= 0 for part in modules.values() for _, length in part)
    )
    if not fits:
        raise InputError(f"the archive in {name} is damaged", why="its entries are larger than the archive")
    return listing


def _bundle(unpacked: Unpacked, job: Job) -> Iterator[Item]:
    files = unpacked.files()
    program = unpacked.program or ""
    listing = _list_archive(unpacked.folder / program, job) if program in files else None
    inside = {name: name[len(CONTENTS) + 1 :] for name in files if name.startswith(f"{CONTENTS}/")}
    modules = listing.module_names() if listing is not None else ()
    known = names_of(os.path.basename(program), modules, inside.values())
    for name, size in files.items():
        if name == program:
            yield from _program(name, size, listing, inside.values())
        elif name in inside:
            yield Item(name, size, *known.file(inside[name]))
        elif name == MANIFEST:
            yield Item(name, size, "freezer", RUNTIME)
        elif name.startswith(".staticx.") or name == NAME_SERVICES:
            yield Item(name, size, "staticx", RUNTIME)
        else:
            yield Item(name, size, *known.file(name))


def _program(name: str, size: int, listing: Optional[Listing], beside: Iterable[str]) -> Iterator[Item]:
    """Yield the items in a program of PyInstaller, or the file itself; their sizes add up to ``size``.

    ``beside`` are the application's files beside the program; a one-file program contains its files.
    """
    if listing is None:
        yield Item(name, size, os.path.basename(name), APPLICATION)
        return
    contents = [entry for entry, kind, _ in listing.entries if kind in FILES]
    names = names_of(os.path.basename(name), listing.module_names(), [*beside, *contents])
    length = listing.end - listing.start
    yield Item(f"{name}/bootloader", size - length, "PyInstaller", RUNTIME)
    packed = sum(each for _, _, each in listing.entries)
    yield Item(f"{name}/{TABLE}", length - packed, "PyInstaller", RUNTIME)
    for entry, kind, length in listing.entries:
        if entry in listing.modules:
            part = listing.modules[entry]
            rest = length - sum(each for _, each in part)
            yield Item(f"{name}/{entry}/{TABLE}", rest, "PyInstaller", RUNTIME)
            for module, each in part:
                yield Item(f"{name}/{entry}/{module}", each, *names.module(module))
        else:
            yield Item(f"{name}/{entry}", length, *_entry(entry, kind, names))


def _entry(name: str, kind: str, names: Names) -> tuple[str, str]:
    """Return the (group, kind) of an entry of PyInstaller's archive by its type code."""
    if kind in FILES:
        return names.file(name)
    if kind in (*internals.MODULES, internals.SPLASH):
        return "PyInstaller", RUNTIME
    group, what = names.module(name)
    return (group, what) if what == RUNTIME else (names.program, APPLICATION)


def _list_archive(program: Path, job: Job) -> Optional[Listing]:
    request: ListRequest = {"program": os.path.abspath(program)}
    done = job.run(
        [tools.own_python(), "-s", DRIVERS / "list_archive.py"],
        what=f"read the archive in {program.name}",
        stdin=json.dumps(request),
        capture=True,
        error=InputError,
    )
    return parse_listing(done.stdout, program.stat().st_size, program.name)
