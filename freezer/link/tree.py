"""The tree: the files of an application as they are at run time, in any container.

The tree lacks PyInstaller's bootloader and archives. It has instead the interpreter that the application was built
with, changed so that it starts the application (``start``), and one archive of all modules, from which they are
imported without a search (freezer/freeze/runtime/_freezer_archive.py). The tree::

    program                              the interpreter
    bin/python3                          a link to it: the name by which it is an interpreter, and no application
    start.so                             the library that the interpreter loads first
    save.so, snapshot.key                for memory snapshots: see freezer/link/launcher/snapshots.h
    ld-linux-x86-64.so.2, libc.so.6...   the loader and the system's libraries
    modules                              the archive of modules
    lib/pythonX.Y                        files by which an interpreter finds its place, and its first import
    sbom.cdx.json                        the bill of materials
    freezer-init                         the init for process 1, if no launcher is in front of the tree
    _internal                            extension modules, their libraries, and data: sys._MEIPASS
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Optional

from freezer.base.bill import PAPERS
from freezer.base.elf import is_elf, read_elf
from freezer.base.elf_file import NotElf
from freezer.base.job import Job
from freezer.closure.close import ClosedApp
from freezer.link.bundle_files import files_of_bundle
from freezer.link.modules import Package, whole, write_archive
from freezer.link.packed import packed_by_zlib
from freezer.link.papers import papers
from freezer.link.payload.pack import Record, Type
from freezer.link.programs import with_tree_loader
from freezer.link.start import (
    INTERPRETER,
    MODULES,
    PROGRAM,
    Container,
    library,
    search_links,
    snapshot_records,
    start_records,
)
from freezer.plan.choices import CONTENTS, MANIFEST

FIRST = "_freezer_encodings"
"""The module that is a file: Python's first import."""


def make_tree(
    closed: ClosedApp,
    package: Package,
    container: Container,
    job: Job,
    *,
    init: bool,
    packed: bool = False,
    snapshot_key: Optional[bytes] = None,
) -> list[Record]:
    """Return the records of the tree; files that are not in the bundle are written below the work directory. With
    ``init``, process 1 becomes an init; with ``packed``, compress the code of modules in their archive; with
    ``snapshot_key``, starts may be from memory snapshots, for which this is the key."""
    frozen = closed.frozen
    path = archive_of_modules(container, job)
    archive = whole(package, frozen.contents, frozen.own_modules)
    cuts = write_archive(path, package, archive, packed=packed_by_zlib(job) if packed else None)
    found = files_of_bundle(closed)
    unused = without_loaders(closed, package, found)
    kept = [item for item in found if item.name not in unused]
    records = with_tree_loader(kept, closed.interpreter, container, job)
    records += [Record(Type.FILE, MODULES, source=path, cuts=cuts), manifest(closed), *landmarks(package)]
    records += start_records(closed, package, container, job, init=init)
    records += snapshot_records(snapshot_key)
    if container is Container.STATICX:
        records += search_links(records)
    records += papers(closed, records, container)
    own = {f"{CONTENTS}/{name}" for name in frozen.own_files} | {MANIFEST, *PAPERS}
    return _ordered(records, own)


def archive_of_modules(container: Container, job: Job) -> Path:
    """Return the file in the work directory that the archive of modules of a tree is written to."""
    return job.folder(f"tree-{container.name.lower()}") / MODULES


def manifest(closed: ClosedApp) -> Record:
    """Return the file with notes for freezer's later checks."""
    notes: dict[str, object] = {"missing_libraries": sorted({item.soname for item in closed.missing})}
    if closed.frozen.own is not None and (closed.frozen.own.groups() or closed.frozen.own.modules):
        notes["own"] = closed.frozen.own.notes()
    return Record(Type.FILE, MANIFEST, data=json.dumps(notes, sort_keys=True).encode() + b"\n")


def landmarks(package: Package) -> list[Record]:
    """Return the files by which an interpreter finds its place, its first import and its name."""
    python = library(package).strip("/")
    # PEP 552: flags, time and size are zero; Python compares them only with a source, and there is none.
    header = package.magic + bytes(12)
    return [
        Record(Type.DIRECTORY, "bin"),
        Record(Type.LINK, INTERPRETER, data=b"../" + PROGRAM.encode()),
        Record(Type.DIRECTORY, "lib"),
        Record(Type.DIRECTORY, python),
        Record(Type.DIRECTORY, f"{python}/lib-dynload"),
        Record(Type.FILE, f"{python}/os.pyc"),
        Record(Type.DIRECTORY, f"{python}/encodings"),
        Record(Type.FILE, f"{python}/encodings/__init__.pyc", data=header + package.read(FIRST)),
    ]


def _ordered(records: list[Record], own: Collection[str]) -> list[Record]:
    """Return the records in groups: directories; libraries, and other files that are not the application's own, similar
    ones together for the compression; modules; files of the application's ``own``, which change most; links. A new
    frame begins with each group of files."""

    def group(record: Record) -> int:
        if record.type is Type.DIRECTORY:
            return 0
        if record.type is Type.LINK:
            return 5
        if record.name in own:
            return 4
        return 3 if record.name == MODULES else 1 if ".so" in record.name else 2

    found = sorted(records, key=lambda item: (group(item), item.name))
    groups = [group(item) for item in found]
    for begun in (1, 2, 3, 4):
        if begun in groups:
            at = groups.index(begun)
            found[at] = dataclasses.replace(found[at], cuts=(0, *found[at].cuts))
    return found


def without_loaders(closed: ClosedApp, package: Package, records: Sequence[Record]) -> frozenset[str]:
    """Return the files by which PyInstaller starts an application, which the tree does not need: paths in the tree, of
    which these are the ``records``."""
    program = closed.frozen.program
    found = {program.name, f"{CONTENTS}/base_library.zip"}
    # One after the other: most interpreters need it, and there may be thousands of files.
    files = (Path(item.source) for item in records if item.source is not None and item.name != program.name)
    if not any(_needs(path, package.library) for path in (closed.python, *files)):
        # The interpreter has Python built in.
        found |= {item.name for item in records if os.path.basename(item.name) == package.library}
    return frozenset(found)


def _needs(path: Path, soname: str) -> bool:
    # Few files contain the name, and reading an ELF file takes milliseconds.
    if not is_elf(path) or soname.encode() not in path.read_bytes():
        return False
    try:
        return soname in read_elf(path).needed
    except NotElf:  # a damaged file, which is data
        return False
