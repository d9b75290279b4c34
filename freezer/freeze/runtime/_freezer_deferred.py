"""Work that an application needs only once a certain module is imported, done right then.

A finder in front of the others lets them find the module and wraps its loader, so that what is registered for the
module runs before or after its code. The module keeps its own loader and spec.
"""

import sys
from _frozen_importlib_external import SourceFileLoader

import _freezer_provisions as provisions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Optional

    from _freezer_provisions import After, Before

AFTER = {
    "pkgutil": "_freezer_pyi_rth_pkgutil",
    "pkg_resources": "_freezer_pyi_rth_pkgres",
    "findlibs": "_freezer_pyi_rth_findlibs",
    "nltk": "_freezer_pyi_rth_nltk",
    "pygraphviz": "_freezer_pyi_rth_pygraphviz",
    "traitlets": "_freezer_pyi_rth_traitlets",
}
UNHEARD = "sysconfig", "tkinter", "xml.dom.domreg", "xml.sax"
"""Modules that take the name of code from variables."""


class _Loader:
    """Stands in for a module's loader while the module is made, then takes itself out."""

    def __init__(self, loader: "Any", before: "Before", after: "After") -> None:
        self._loader = loader
        self._before = before
        self._after = after

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._loader, name)

    def create_module(self, spec: "ModuleSpec") -> "Optional[ModuleType]":
        spec.loader = self._loader
        try:
            with self._before():
                module: Optional[ModuleType] = self._loader.create_module(spec)
                return module
        finally:
            spec.loader = self  # type: ignore[assignment]

    def exec_module(self, module: "ModuleType") -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._loader
        with self._before():
            self._loader.exec_module(module)
        self._after(module)


def _make_importlib_s(function: "Any") -> None:
    """Have warnings and tracebacks leave out a function's frames as they do those of Python's importers."""
    function.__code__ = function.__code__.replace(co_filename=SourceFileLoader.get_data.__code__.co_filename)


_make_importlib_s(_Loader.create_module)
_make_importlib_s(_Loader.exec_module)


class _Finder:
    """A meta path finder for the registered modules only."""

    def __init__(self, work: "dict[str, tuple[Before, After]]") -> None:
        self.work = work

    def find_spec(
        self, name: str, path: "Optional[Sequence[str]]" = None, target: "Optional[ModuleType]" = None
    ) -> "Optional[ModuleSpec]":
        registered = self.work.pop(name, None)
        if registered is None:
            return None
        for finder in sys.meta_path:
            if finder is self:
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, *registered)  # type: ignore[assignment]
                return spec
        return None

    def invalidate_caches(self) -> None:
        pass


def _importing(name: str) -> "After":
    def after(_module: "Any") -> None:
        __import__(name)

    return after


def install(bundle: str, available: "Collection[str]", more: "Mapping[str, After]") -> None:
    """Register everything; what concerns modules that are loaded already is done now.

    ``available`` are the names of the modules in the archive; ``more`` is {module: what is called with it afterwards}.
    """
    provisions.bundle = bundle
    work: dict[str, tuple[Before, After]] = {name: (provisions.nothing, after) for name, after in more.items()}
    for name, hook in AFTER.items():
        if hook in available:
            work[name] = (provisions.nothing, _importing(hook))
    for name in UNHEARD:
        work[name] = (provisions.nothing, _stop_hearing)
    work.update(provisions.hooks())
    for name in list(work):
        if name in sys.modules:
            work.pop(name)[1](sys.modules[name])
    sys.meta_path.insert(0, _Finder(work))
    _keep_tree_as_it_is(bundle)
    provisions.at_start()


def _stop_hearing(module: "ModuleType") -> None:
    import _freezer_unheard

    _freezer_unheard.MENDS[module.__name__](module)


def _keep_tree_as_it_is(bundle: str) -> None:
    """Have Python write no bytecode beside sources in the tree, as into the application's own directories: it is shared
    by all who start the application, and each start compares it with what was unpacked."""
    loader: Any = SourceFileLoader
    write = loader.set_data

    def set_data(self: "Any", path: str, data: bytes, **keywords: "Any") -> None:
        from os.path import dirname, realpath

        if not (realpath(path) + "/").startswith(realpath(dirname(bundle)) + "/"):
            write(self, path, data, **keywords)

    loader.set_data = set_data
