"""The items of an application's tree: its files, the modules in archives, and the program that unpacks it.

An image with the unpacked tree has the same items, without the program that unpacks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.bill import NOTICES, SBOM
from freezer.inspect.report import Item
from freezer.link.drivers.staticx_internals import NAME_SERVICES
from freezer.link.module_archives import Contents, is_archive, read_archive
from freezer.link.parts import APPLICATION, PURE, RUNTIME, STANDARD, Names, names_of
from freezer.link.payload.pack import TRAILER
from freezer.link.payload.read import find_payload
from freezer.link.start import INIT, SAVER, SNAPSHOT_KEY, STARTER
from freezer.plan.choices import CONTENTS, MANIFEST
from freezer.prove.unpack import Unpacked, find_archive

FREEZER, STATICX = ("freezer", RUNTIME), ("staticx", RUNTIME)
ARCHIVE_NAME = re.compile(r"modules(\.[^/]+)?")
HOME = re.compile(r"lib/python[\d.]+/.*")
"""The files by which an interpreter finds its place, and its first import."""


@dataclass(frozen=True)
class TreeFile:
    """A file of a tree: its path below the tree, its size in bytes, and its contents if it is an archive of modules."""

    path: str
    size: int
    contents: Optional[Contents] = None


def executable_items(unpacked: Unpacked, path: Path, name: str) -> Iterator[Item]:
    """Yield the items of the executable ``path``, called ``name``: the unpacked files and the program that unpacks.

    Raises InputError if an archive of modules is damaged.
    """
    trailer = find_payload(path)
    if trailer is not None:
        yield Item(".freezer.launcher", trailer.offset, *FREEZER)
        yield Item(".freezer.trailer", TRAILER.size, *FREEZER)
    else:
        place = find_archive(path)
        assert place is not None
        yield Item(".staticx.start", path.stat().st_size - place[1], *STATICX)
    files = []
    for file, size in unpacked.files().items():
        whole = unpacked.folder / file
        archive = ARCHIVE_NAME.fullmatch(file) is not None and is_archive(whole)
        files.append(TreeFile(file, size, read_archive(whole) if archive else None))
    yield from tree_items(files, unpacked.program, name)


def tree_items(files: Sequence[TreeFile], program: Optional[str], name: str) -> Iterator[Item]:
    """Yield the items of the tree of an application called ``name``, whose program is the file ``program``; their sizes
    add up to those of the files."""
    modules = [module for file in files if file.contents is not None for module, _ in file.contents.modules]
    inside = {file.path: file.path[len(CONTENTS) + 1 :] for file in files if file.path.startswith(f"{CONTENTS}/")}
    names = names_of(name, modules, inside.values())
    started = any(file.path == STARTER for file in files)
    for file in files:
        path, size = file.path, file.size
        if file.contents is not None:
            yield from _archive(path, file.contents, names)
        elif path == program and started:
            yield Item(path, size, "Python", RUNTIME)
        elif path in (program, STARTER, SAVER, SNAPSHOT_KEY, INIT, MANIFEST, SBOM, NOTICES):
            yield Item(path, size, *FREEZER)
        elif path == NAME_SERVICES:
            yield Item(path, size, *STATICX)
        elif HOME.fullmatch(path):
            yield Item(path, size, PURE, STANDARD)
        else:
            yield Item(path, size, *names.file(inside.get(path, path)))


def _archive(file: str, contents: Contents, names: Names) -> Iterator[Item]:
    yield Item(f"{file}/table of contents", contents.rest, *FREEZER)
    for module, size in contents.modules:
        yield Item(f"{file}/{module}", size, *names.module(module))
    for script, size in contents.scripts:
        group, kind = names.module(script)
        # No module has a name with a slash.
        yield Item(
            f"{file}/scripts/{script}", size, *((group, kind) if kind == RUNTIME else (names.program, APPLICATION))
        )
