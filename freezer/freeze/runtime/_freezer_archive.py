"""The archives of modules of an application.

A file with all code, uncompressed, is read with one call for each module; Python's own importer looks through
directories, opens, and checks times for each (_freezer_finders.py).

Layout: "FRZRMOD1"; the size of the table (8 bytes, little-endian); the table, marshalled; code, marshalled, one after
the other. The table's "modules" maps names to (offset, size, kind); "extensions" has the extension modules beside it,
names and paths; "scripts" what is run at the start, (name, offset, size); "path" the directories of ``sys.path``;
"next" is the name of another archive, if the modules are in several; "packed" has the names of modules whose code is
compressed (zlib), and "sources" of those whose source is in the bundle, where there are such.
"""

import marshal
import posix
import sys
from _imp import _fix_co_filename  # type: ignore[attr-defined]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from types import CodeType, ModuleType
    from typing import Optional, TypedDict

    class Contents(TypedDict, total=False):
        modules: dict[str, tuple[int, int, int]]
        extensions: dict[str, str]
        scripts: list[tuple[str, int, int]]
        path: list[str]
        next: str
        packed: list[str]
        sources: list[str]


MODULE, PACKAGE, NAMESPACE = 0, 1, 3
"""Kinds of entries, as in PyInstaller's PYZ archives."""


def _open(path: str) -> int:
    """Open an archive, by a number that is no standard stream's: a closed one must stay so."""
    descriptors = [posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)]
    while descriptors[-1] <= 2:
        descriptors.append(posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC))
    for low in descriptors[:-1]:
        posix.close(low)
    return descriptors[-1]


class Archive:
    """One file. ``toc`` is its table of modules, ``extensions`` that of extension modules beside it."""

    def __init__(self, path: str, descriptor: "Optional[int]" = None, contents: "Optional[Contents]" = None) -> None:
        self._path = path
        self._descriptor = _open(path) if descriptor is None else descriptor
        self._identity = self._identify()
        self._start = 16 + int.from_bytes(posix.pread(self._descriptor, 8, 8), "little")
        if contents is None:
            contents = marshal.loads(posix.pread(self._descriptor, self._start - 16, 16))
        self.contents: Contents = contents
        self.toc = self.contents["modules"]
        self.extensions = self.contents["extensions"]
        self._packed = frozenset(self.contents.get("packed", ()))
        self.sources = frozenset(self.contents.get("sources", ()))

    def _identify(self) -> tuple[int, int]:
        status = posix.fstat(self._descriptor)
        return status.st_dev, status.st_ino

    def read(self, name: str) -> bytes:
        """The marshalled code of a module."""
        offset, size, _ = self.toc[name]
        data = self.at(offset, size)
        if name in self._packed:
            from zlib import decompress

            return decompress(data)
        return data

    def at(self, offset: int, size: int) -> bytes:
        """Some bytes of the code."""
        # Daemons close all descriptors, and something else may have this number by now.
        try:
            same = self._identify() == self._identity
        except OSError:
            same = False
        if not same:
            self._descriptor = _open(self._path)
            self._identity = self._identify()
        return posix.pread(self._descriptor, size, self._start + offset)

    def close(self) -> None:
        """Close the file; it is opened again when something is read."""
        if self._descriptor >= 0:
            posix.close(self._descriptor)
        self._descriptor = -1

    def code(self, name: str, path: "Optional[str]" = None) -> "Optional[CodeType]":
        """The code of a module, which says that its file is ``path``; None for a namespace package."""
        if self.toc[name][2] == NAMESPACE:
            return None
        code: CodeType = marshal.loads(self.read(name))
        if path is not None:
            _fix_co_filename(code, path)
        return code


archives: list[Archive] = []
bundle = ""
"""The directory that is ``sys._MEIPASS``; set by who installs this."""


def open_all(tree: str, descriptor: "Optional[int]", contents: "Contents") -> None:
    """Open the archives of a tree. The first has been read already, by ``descriptor`` if that may stay open."""
    archives.append(Archive(tree + "/modules", descriptor, contents))
    while archives[-1].contents["next"]:
        archives.append(Archive(tree + "/" + archives[-1].contents["next"]))


def load(name: str) -> "ModuleType":
    """Make a module of the first archive before there is a finder for it."""
    module = type(sys)(name)
    sys.modules[name] = module
    code = archives[0].code(name)
    assert code is not None
    exec(code, module.__dict__)
    return module


def scripts() -> "list[tuple[str, Archive, int, int]]":
    """What is run at the start: the name, and the archive with the place of the code; the main script comes last."""
    return [(name, archive, at, size) for archive in archives for name, at, size in archive.contents["scripts"]]


def names() -> "Collection[str]":
    """The names of all modules in the archives."""
    if len(archives) == 1:
        return archives[0].toc
    return {name for archive in archives for name in archive.toc}
