"""The inside of a natively linked executable: the launcher, the files that it unpacks, and the modules in archives."""

from __future__ import annotations

import re
from collections.abc import Iterator

from freezer.drivers import MANIFEST
from freezer.inspect.grouping import PURE, Names, names_of
from freezer.inspect.modules import Contents, is_archive, read_archive
from freezer.inspect.report import APPLICATION, RUNTIME, STANDARD, Item
from freezer.native.link import STARTER
from freezer.native.payload import TRAILER, Trailer
from freezer.plan import CONTENTS
from freezer.unpack import Unpacked

FREEZER = ("freezer", RUNTIME)
ARCHIVE_NAME = re.compile(r"modules(\.[^/]+)?")
HOME = re.compile(r"lib/python[\d.]+/.*")
"""What an interpreter looks for to know where it is, and its first import."""


def native_items(unpacked: Unpacked, trailer: Trailer, name: str) -> Iterator[Item]:
    """The items of an executable called ``name``; they add up to the launcher, the trailer and the files unpacked.

    Raises InputError for a damaged archive of modules.
    """
    yield Item(".freezer.launcher", trailer.offset, *FREEZER)
    yield Item(".freezer.trailer", TRAILER.size, *FREEZER)
    files = unpacked.files()
    archives = {
        file: read_archive(unpacked.folder / file)
        for file in files
        if ARCHIVE_NAME.fullmatch(file) and is_archive(unpacked.folder / file)
    }
    modules = [module for contents in archives.values() for module, _ in contents.modules]
    inside = {file: file[len(CONTENTS) + 1 :] for file in files if file.startswith(f"{CONTENTS}/")}
    names = names_of(name, modules, inside.values())
    for file, size in files.items():
        if file in archives:
            yield from _archive(file, archives[file], names)
        elif file == unpacked.program and STARTER in files:
            yield Item(file, size, "Python", RUNTIME)
        elif file in (unpacked.program, STARTER, MANIFEST):
            yield Item(file, size, *FREEZER)
        elif HOME.fullmatch(file):
            yield Item(file, size, PURE, STANDARD)
        else:
            yield Item(file, size, *names.file(inside.get(file, file)))


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
