"""The importers that find the modules of an application in its archives, and beside them.

What they are told by name is in PyInstaller's own terms, since PyInstaller's run-time hooks, and code that knows about
PyInstaller, go by these: ``__file__`` is below ``sys._MEIPASS``, data is found beside it, and there are finders for
directories below it.
"""

import posix
import sys
from _frozen_importlib import ModuleSpec, spec_from_loader
from _frozen_importlib_external import (  # type: ignore[attr-defined]
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    _get_supported_file_loaders,
    _LoaderBasics,
)

import _freezer_archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType
    from typing import Any, Optional

    from _freezer_archive import Archive

NAMESPACE, PACKAGE = _freezer_archive.NAMESPACE, _freezer_archive.PACKAGE
archives = _freezer_archive.archives
bundle = _freezer_archive.bundle


class Loader(_LoaderBasics):
    """Loads one module from an archive; ``key`` is its name there. Python's own function executes it, whose frames
    tracebacks and warnings leave out."""

    def __init__(
        self, name: str, archive: "Archive", key: str, is_package: bool = False, path: "Optional[str]" = None
    ) -> None:
        self.name = name
        self._archive = archive
        self._pyz_entry_name = key
        self._is_package = is_package
        self.path = path or bundle + "/" + key.replace(".", "/") + ("/__init__.py" if is_package else ".py")

    def _check(self, name: str) -> None:
        if name != self.name:
            raise ImportError("loader for %s cannot handle %s" % (self.name, name), name=name)

    def get_code(self, fullname: str) -> "Optional[CodeType]":
        self._check(fullname)
        return self._archive.code(self._pyz_entry_name, self.path)

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


class SourceLoader(Loader, SourceFileLoader):  # type: ignore[misc]
    """Loads a module whose source is in the bundle. Code that reads or changes what is compiled (typeguard, pytest)
    asks whether a loader is Python's for source files."""


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
        spec.submodule_search_locations = [bundle + "/" + key.replace(".", "/")]
        return spec
    loader = (SourceLoader if key in archive.sources else Loader)(name, archive, key, kind == PACKAGE)
    spec = ModuleSpec(name, loader, origin=loader.path)  # type: ignore[arg-type]
    spec.has_location = True
    if kind == PACKAGE:
        spec.submodule_search_locations = [loader.path[: -len("/__init__.py")]]
    return spec


class Finder:
    """The meta path finder: what is where it usually is, by name alone.

    Where the application has put a directory of its own first in ``sys.path``, or has changed a package's
    ``__path__``, that decides, and PathFinder asks a DirectoryFinder. So it does for a module whose source is in the
    bundle if somebody's hook for directories is in front of ours (beartype), and for a namespace package, since other
    directories may have parts of it, now or later. ``first`` is what ``sys.path`` begins with, unless Python itself has
    put ``before`` in front.
    """

    first = ""
    before: "Optional[str]" = None

    @staticmethod
    def find_spec(
        name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None
    ) -> "Optional[ModuleSpec]":
        if path is None:
            if sys.path[:1] != [Finder.first] and sys.path[:2] != [Finder.before, Finder.first]:
                return None
        else:
            parent = name.rpartition(".")[0]
            for place in path:
                if place != bundle + "/" + parent.replace(".", "/"):
                    return None
                break
        spec = _spec(name, name)
        if spec is not None and (
            spec.loader is None or (type(spec.loader) is SourceLoader and sys.path_hooks[0] != _path_hook)
        ):
            return None
        return spec

    @staticmethod
    def invalidate_caches() -> None:
        pass


class _SiteFinder:
    """Finds another module once in place of ``site``."""

    @staticmethod
    def find_spec(
        name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None
    ) -> "Optional[ModuleSpec]":
        if name != "site":
            return None
        sys.meta_path.remove(_SiteFinder)
        spec = _spec(name, "_freezer_site")
        # From Python 3.11 on the interpreter's own is a frozen module, which has this.
        if spec is not None:
            namespace: Any = type(sys.implementation)
            loader: Any = spec.loader
            loader.path = spec.origin = bundle + "/site.py"
            spec.loader_state = namespace(origname=name, filename=spec.origin)
        return spec


def prepare_site() -> None:
    """Have Python import what takes the place of ``site``."""
    sys.meta_path.insert(0, _SiteFinder)


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


_path_hook = DirectoryFinder.path_hook


def install() -> None:
    """Have modules found in the archives, right after the interpreter's own."""
    sys.path[:] = [bundle + "/" + item if item else bundle for archive in archives for item in archive.contents["path"]]
    Finder.first = sys.path[0]
    for index, finder in enumerate(sys.meta_path):
        if getattr(finder, "__name__", "") == "PathFinder":
            sys.meta_path.insert(index, Finder)
            break
    sys.path_hooks.insert(0, _path_hook)
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


def main_loader(key: str, path: str) -> Loader:
    """The loader of the main script, which is the module ``key`` and says that its file is ``path``."""
    archive = next(item for item in archives if key in item.toc)
    return (SourceLoader if key in archive.sources else Loader)("__main__", archive, key, path=path)
