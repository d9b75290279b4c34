"""The archives of modules of a natively linked application, and the importers that find what is in them.

A file with all code, uncompressed, is read with one call for each module; Python's own importer looks through
directories, opens, and checks times for each. What it is told by name here is in PyInstaller's own terms, since
PyInstaller's run-time hooks, and code that knows about PyInstaller, go by these: ``__file__`` is below
``sys._MEIPASS``, data is found beside it, and there are finders for directories below it.

Layout: "FRZRMOD1"; the size of the table (8 bytes, little-endian); the table, marshalled; code, marshalled, one after
the other. The table's "modules" maps names to (offset, size, kind); "extensions" has the extension modules beside it,
names and paths; "scripts" what is run at the start, (name, offset, size); "path" the directories of ``sys.path``;
"next" is the name of another archive, if the modules are in several; "packed" names those whose code is compressed.
"""

import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec, spec_from_loader
from _frozen_importlib_external import (  # type: ignore[attr-defined]
    ExtensionFileLoader,
    FileFinder,
    _get_supported_file_loaders,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from types import CodeType, ModuleType
    from typing import Any, Optional, TypedDict

    class Contents(TypedDict, total=False):
        modules: dict[str, tuple[int, int, int]]
        extensions: dict[str, str]
        scripts: list[tuple[str, int, int]]
        path: list[str]
        next: str
        packed: list[str]


MODULE, PACKAGE, NAMESPACE = 0, 1, 3
"""Kinds of entries, as in PyInstaller's PYZ archives."""
NamespacePath = type("NamespacePath", (list,), {"__repr__": lambda self: "NamespacePath(%s)" % list.__repr__(self)})
"""The ``__path__`` of a namespace package, which importlib.resources knows by this name."""


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

    def code(self, name: str) -> "Optional[CodeType]":
        """The code of a module; None for a namespace package."""
        if self.toc[name][2] == NAMESPACE:
            return None
        code: CodeType = marshal.loads(self.read(name))
        return code


class Loader:
    """Loads one module from an archive; ``key`` is its name there."""

    def __init__(self, name: str, archive: Archive, key: str, is_package: bool) -> None:
        self.name = name
        self._archive = archive
        self._pyz_entry_name = key
        self._is_package = is_package
        self.path = bundle + "/" + key.replace(".", "/") + ("/__init__.py" if is_package else ".py")

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: "ModuleType") -> None:
        code = self._archive.code(self._pyz_entry_name)
        assert code is not None
        exec(code, module.__dict__)

    def load_module(self, fullname: str) -> "Any":
        import importlib._bootstrap

        return importlib._bootstrap._load_module_shim(self, fullname)  # type: ignore[attr-defined]

    def _check(self, name: str) -> None:
        if name != self.name:
            raise ImportError("loader for %s cannot handle %s" % (self.name, name), name=name)

    def get_code(self, fullname: str) -> "Optional[CodeType]":
        self._check(fullname)
        return self._archive.code(self._pyz_entry_name)

    def get_filename(self, fullname: str) -> str:
        self._check(fullname)
        return self.path

    def is_package(self, fullname: str) -> bool:
        self._check(fullname)
        return self._is_package

    def get_source(self, fullname: str) -> "Optional[str]":
        self._check(fullname)
        try:
            data = self.get_data(self.path)
        except FileNotFoundError:
            return None
        from importlib.util import decode_source

        return decode_source(data)

    def get_data(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def get_resource_reader(self, fullname: str) -> "Any":
        self._check(fullname)
        from pyimod02_importers import PyiFrozenResourceReader

        return PyiFrozenResourceReader(self)


def _spec(name: str, key: str) -> "Optional[ModuleSpec]":
    """The spec of what is called ``key`` in the archives, or beside them; None if there is no such thing."""
    for archive in archives:
        entry = archive.toc.get(key)
        if entry is not None:
            break
    else:
        for archive in archives:
            place = archive.extensions.get(key)
            if place is not None:
                path = bundle + "/" + place
                return spec_from_loader(name, ExtensionFileLoader(name, path), origin=path)
        return None
    kind = entry[2]
    if kind == NAMESPACE:
        spec = ModuleSpec(name, None)
        spec.submodule_search_locations = NamespacePath([bundle + "/" + key.replace(".", "/")])
        return spec
    loader = Loader(name, archive, key, kind == PACKAGE)
    spec = ModuleSpec(name, loader, origin=loader.path)  # type: ignore[arg-type]
    spec.has_location = True
    if kind == PACKAGE:
        spec.submodule_search_locations = [loader.path[: -len("/__init__.py")]]
    return spec


class Finder:
    """The meta path finder: what is where it usually is, by name alone.

    Where the application has put a directory of its own first in ``sys.path``, or has changed a package's
    ``__path__``, that decides, and PathFinder asks a DirectoryFinder. ``first`` is what else ``sys.path`` begins with.
    """

    first = ""

    @staticmethod
    def find_spec(
        name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None
    ) -> "Optional[ModuleSpec]":
        if path is None:
            if not sys.path or sys.path[0] != Finder.first:
                return None
        else:
            parent = name.rpartition(".")[0]
            for place in path:
                if place != bundle + "/" + parent.replace(".", "/"):
                    return None
                break
        return _spec(name, name)

    @staticmethod
    def invalidate_caches() -> None:
        pass


class DirectoryFinder:
    """The path entry finder of a directory of the bundle, whose modules are in the archive or are files."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pyz_entry_prefix = path[len(bundle) :].strip("/").replace("/", ".")
        self._files: Optional[FileFinder] = None

    @classmethod
    def path_hook(cls, path: str) -> "DirectoryFinder":
        path = path.rstrip("/")
        if path != bundle and not path.startswith(bundle + "/"):
            raise ImportError("not in the bundle", path=path)
        try:
            is_file = posix.stat(path).st_mode & 0o170000 == 0o100000
        except OSError:
            is_file = False
        if is_file:
            raise ImportError("only directories are supported", path=path)
        return cls(path)

    @property
    def fallback_finder(self) -> FileFinder:
        if self._files is None:
            self._files = FileFinder(self._path, *_get_supported_file_loaders())
        return self._files

    def find_spec(self, fullname: str, target: "Optional[ModuleType]" = None) -> "Optional[ModuleSpec]":
        tail = fullname.rpartition(".")[2]
        key = self._pyz_entry_prefix + "." + tail if self._pyz_entry_prefix else tail
        return _spec(fullname, key) or self.fallback_finder.find_spec(fullname, target)

    def invalidate_caches(self) -> None:
        if self._files is not None:
            self._files.invalidate_caches()


archives: list[Archive] = []
bundle = ""
"""The directory that is ``sys._MEIPASS``; set by who installs this."""


def install(tree: str, descriptor: "Optional[int]", contents: "Contents") -> None:
    """Have modules found in the archives of the tree, right after the interpreter's own."""
    archives.append(Archive(tree + "/modules", descriptor, contents))
    while archives[-1].contents["next"]:
        archives.append(Archive(tree + "/" + archives[-1].contents["next"]))
    sys.path[:] = [bundle + "/" + item if item else bundle for archive in archives for item in archive.contents["path"]]
    Finder.first = sys.path[0]
    for index, finder in enumerate(sys.meta_path):
        if getattr(finder, "__name__", "") == "PathFinder":
            sys.meta_path.insert(index, Finder)
            break
    sys.path_hooks.insert(0, DirectoryFinder.path_hook)
    sys.path_importer_cache.clear()


def adopt(module: "ModuleType") -> "CodeType":
    """Make a module that is being imported from elsewhere one of an archive's; returns its code."""
    spec = _spec(module.__name__, module.__name__)
    assert spec is not None
    loader: Any = spec.loader
    module.__spec__, module.__loader__ = spec, loader
    module.__file__ = spec.origin
    module.__path__ = spec.submodule_search_locations  # type: ignore[assignment]
    module.__dict__.pop("__cached__", None)
    code: CodeType = loader.get_code(module.__name__)
    return code


def scripts() -> "Iterator[tuple[str, CodeType]]":
    """What is run at the start, as (name, code), the main script last."""
    for archive in archives:
        for name, offset, size in archive.contents["scripts"]:
            yield name, marshal.loads(archive.at(offset, size))


def names() -> "Collection[str]":
    """The names of all modules in the archives."""
    if len(archives) == 1:
        return archives[0].toc
    return {name for archive in archives for name in archive.toc}
