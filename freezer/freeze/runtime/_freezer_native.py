"""Starts the application: what PyInstaller's bootloader and its first script do for others."""

import os
import sys

import _freezer_archive
import _freezer_deferred

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any, Union

    from _freezer_provisions import After

BOOTSTRAP = "pyiboot01_bootstrap"
"""PyInstaller's first script, whose work is done here."""
HELPERS = "multiprocessing.util", "multiprocess.util"
"""What starts helper processes: of the standard library, and of its copy that can do more (multiprocess, dill)."""


def start() -> None:
    """Become the application. ``sys.argv`` is as freezer/link/launcher/start.c made it."""
    bundle = _freezer_archive.bundle
    executable, locale, helper = sys.argv[1:4]
    del sys.argv[:4]
    sys.executable = sys._base_executable = executable  # type: ignore[attr-defined]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = [executable, *sys.argv[1:]]
    sys.frozen, sys._MEIPASS = True, bundle  # type: ignore[attr-defined]
    sys.prefix = sys.exec_prefix = sys.base_prefix = sys.base_exec_prefix = bundle
    _restore_locale(locale)
    if sys.version_info >= (3, 11):
        sys._stdlib_dir = bundle
        _place_frozen_modules(bundle)
    more = {"pyimod02_importers": _adapt_importers, "ctypes": _search_bundle}
    if helper:
        for name in HELPERS:
            more[name] = _start_helpers_by(helper)
    _freezer_deferred.install(bundle, _freezer_archive.names(), more)
    main = sys.modules["__main__"]
    main.__loader__ = None
    for name, code in _freezer_archive.scripts():
        if name != BOOTSTRAP:
            main.__file__ = bundle + "/" + name + ".py"
            exec(code, main.__dict__)


def _start_helpers_by(program: str) -> "After":
    """Have multiprocessing start its processes by the program in the tree, under the executable's name.

    The executable would unpack everything anew for each, which would not be a child of this process either. It stays
    what ``sys.executable`` and ``multiprocessing.spawn.get_executable()`` say, in these processes too.
    """

    def adapt(util: "Any") -> None:
        start = util.spawnv_passfds

        def spawnv_passfds(path: "str | bytes", args: "Any", passfds: "Any") -> "Any":
            # Since Python 3.11 it must be bytes.
            return start(os.fsencode(program if os.fsdecode(path) == sys.executable else path), args, passfds)

        util.spawnv_passfds = spawnv_passfds

    return adapt


class PyzArchive:
    """The archives as ``pyimod02_importers.pyz_archive``, for those who look into that."""

    def __init__(self) -> None:
        self.toc: dict[str, tuple[int, int, int]] = {}
        self._homes: dict[str, _freezer_archive.Archive] = {}
        for archive in reversed(_freezer_archive.archives):
            for name, (offset, size, kind) in archive.toc.items():
                self.toc[name] = (kind, offset, size)
                self._homes[name] = archive

    def extract(self, name: str, raw: bool = False) -> "Union[bytes, CodeType, None]":
        if self.toc[name][0] == _freezer_archive.NAMESPACE:
            return None
        archive = self._homes[name]
        return archive.read(name) if raw else archive.code(name)


def _adapt_importers(module: "Any") -> None:
    """Have PyInstaller's run-time hooks, and what asks for its importers, get those that are there."""
    module.pyz_archive = PyzArchive()
    module.PyiFrozenLoader = _freezer_archive.Loader
    module.PyiFrozenFinder = _freezer_archive.DirectoryFinder


def _search_bundle(_ctypes: "ModuleType") -> None:
    import pyimod03_ctypes

    pyimod03_ctypes.install()


def _restore_locale(original: str) -> None:
    """Undo in the environment what Python's coercion of the C locale did (PEP 538); the locale itself stays."""
    value = original[1:] if original else None
    if os.environ.get("LC_CTYPE") != value:
        if value is None:
            del os.environ["LC_CTYPE"]
        else:
            os.environ["LC_CTYPE"] = value


def _place_frozen_modules(bundle: str) -> None:
    """Give the modules that are built into the interpreter a file, as they have where the library is on disk."""
    import _imp

    for name, module in list(sys.modules.items()):
        if not _imp.is_frozen(name) or hasattr(module, "__file__"):
            continue
        state = getattr(module.__spec__, "loader_state", None)
        origin = getattr(state, "origname", None) or name
        path = bundle + "/" + origin.replace(".", "/")
        module.__file__ = path + ("/__init__.pyc" if _imp.is_frozen_package(name) else ".pyc")
        if state is not None and getattr(state, "filename", "") is None:
            state.filename = module.__file__
