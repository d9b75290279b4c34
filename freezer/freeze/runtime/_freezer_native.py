"""Prepares the interpreter of a tree, and the application in it: what PyInstaller's bootloader and its first script do
for others."""

import gc
import marshal
import os
import sys

import _freezer_archive
import _freezer_deferred
import _freezer_finders
import _freezer_processes
import _freezer_runner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import Any, Optional, Union

BOOTSTRAP = "pyiboot01_bootstrap"
"""PyInstaller's first script, whose work is done here."""

waiting: "list[Callable[[], None]]" = []
"""What runs PyInstaller's run-time hooks, if they have not been run yet."""


def prepare_application() -> "CodeType":
    """Become the application, and return the code to run. ``sys.argv`` is as freezer/link/launcher/start.c made it."""
    executable, locale = sys.argv[1:3]
    del sys.argv[:3]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = [executable, *sys.argv[1:]]
    _restore_locale(locale)
    snapshot, leave = sys._xoptions.pop("freezer_snapshot", None), sys._xoptions.pop("freezer_leave", None)
    if isinstance(snapshot, str):
        return _code_that_saves(snapshot, executable, leave == "early")
    _prepare_main(executable)
    return _freezer_runner.main_code(_freezer_processes.main_script)


def _code_that_saves(snapshot: str, executable: str, early: bool) -> "CodeType":
    """Become a memory snapshot of the application, in code that goes on in the processes that are restored from it."""
    import _freezer_snapshot

    _freezer_snapshot.begin(early)
    _prepare_main(executable)
    return _freezer_snapshot.code_that_saves(snapshot)


def _prepare_main(executable: str) -> None:
    # What is made before the application begins is kept as long as it runs. Whether its own code wants the collector,
    # in its imports before a snapshot, too, is its own business.
    gc.disable()
    _freezer_processes.called, _freezer_processes.own = sys.argv[0] if sys.argv else "", sys.argv[1:]
    _prepare(executable)
    _freezer_processes.become_interpreter_if_asked()
    gc.enable()
    _run_hooks()


def prepare_interpreter() -> None:
    """Prepare an interpreter that runs what its own arguments say, with the application's modules."""
    executable = sys._xoptions.pop("freezer_executable")
    assert isinstance(executable, str)
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = [executable, *sys.orig_argv[3:]]
    _prepare(executable)
    # What Python puts in front of sys.path for -c, -m and standard input: nothing there replaces the application's own.
    _freezer_finders.Finder.before = {"-c": "", "": "", "-": "", "-m": _working_directory()}.get(sys.argv[0])
    # Who watches what imports do (freezer/prove/snapshot) watches what hooks do, too, and runs them then.
    if sys._xoptions.pop("freezer_hooks", None) == "wait":
        waiting.append(_run_hooks)
    else:
        _run_hooks()
    if sys.argv[0] == "-m" and hasattr(sys, "orig_argv"):
        _check_module(sys.orig_argv)


def _check_module(words: "list[str]") -> None:
    """End with a message if the module behind ``-m`` is not there: an application has only what it was built with."""
    from importlib.machinery import PathFinder
    from importlib.util import find_spec

    at = next(index for index, word in enumerate(words) if index and word.startswith("-m"))
    name = words[at][2:] or words[at + 1]
    top = name.partition(".")[0]
    if find_spec(top) is None and PathFinder.find_spec(top, [_working_directory()]) is None:
        sys.stderr.write(
            "error: %s has no module %s to run with -m\n"
            "  why: it is a frozen application, and has the modules that it was built with\n"
            "  try: freezer build --hidden-import %s, or a Python that is installed\n" % (sys.executable, name, name)
        )
        sys.stderr.flush()
        os._exit(1)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def _prepare(executable: str) -> None:
    bundle = _freezer_archive.bundle
    sys.executable = sys._base_executable = executable  # type: ignore[attr-defined]
    sys.frozen, sys._MEIPASS = True, bundle  # type: ignore[attr-defined]
    sys.prefix = sys.exec_prefix = sys.base_prefix = sys.base_exec_prefix = bundle
    if sys.version_info >= (3, 11):
        library, sys._stdlib_dir = sys._stdlib_dir, bundle
        _place_frozen_modules(library, bundle)
    tree = os.path.dirname(bundle)
    _freezer_processes.interpreter = tree + "/bin/python3"
    _freezer_processes.main_script = bundle + "/" + _freezer_archive.scripts()[-1][0]
    _freezer_processes.install()
    more = {
        "pyimod02_importers": _adapt_importers,
        "ctypes": _search_bundle,
        "numba.core.caching": _place_caches,
        "streamlit.env_util": _be_installed,
        **_freezer_processes.hooks(),
    }
    _freezer_deferred.install(bundle, _freezer_archive.names(), more)


def _be_installed(streamlit: "Any") -> None:
    """Have streamlit know that it is installed. It takes itself for a checkout, which serves no pages, unless it is in
    a directory that is called as installers call it, or in a pex, which is an application in one file, too."""
    if hasattr(streamlit, "is_pex"):
        streamlit.is_pex = lambda: True


def _run_hooks() -> None:
    """Run PyInstaller's run-time hooks, in a namespace that is not the application's; the main script comes last."""
    if any("_distutils_hack" in archive.toc for archive in _freezer_archive.archives):
        _prefer_setuptools()
    names = {"__name__": "__main__", "__builtins__": __builtins__}
    for name, archive, at, size in _freezer_archive.scripts()[:-1]:
        if name != BOOTSTRAP:
            code = marshal.loads(archive.at(at, size))
            exec(code, {**names, "__file__": _freezer_archive.bundle + "/" + name + ".py"})


def _prefer_setuptools() -> None:
    """Have ``import distutils`` find that of setuptools, as the file distutils-precedence.pth does when Python starts
    in an environment. PyInstaller's hook imports all of setuptools for that."""
    wanted = os.environ.get("SETUPTOOLS_USE_DISTUTILS")
    try:
        _distutils_hack: Any = __import__("_distutils_hack")
        # Its default was another one before version 60. It is not asked about a value, since it warns of one.
        if wanted == "local" or (wanted is None and _distutils_hack.enabled()):
            _distutils_hack.add_shim()
    except Exception:
        # A module of the application is called so, or of a version to come: distutils is what it is.
        return


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
    module.PyiFrozenLoader = _freezer_finders.Loader
    module.PyiFrozenFinder = _freezer_finders.DirectoryFinder


def _search_bundle(_ctypes: "ModuleType") -> None:
    import pyimod03_ctypes

    pyimod03_ctypes.install()


def _place_caches(caching: "ModuleType") -> None:
    import _freezer_caches

    _freezer_caches.adapt(caching, _freezer_archive.bundle)


def _restore_locale(original: str) -> None:
    """Undo in the environment what Python's coercion of the C locale did (PEP 538); the locale itself stays."""
    value = original[1:] if original else None
    if os.environ.get("LC_CTYPE") != value:
        if value is None:
            del os.environ["LC_CTYPE"]
        else:
            os.environ["LC_CTYPE"] = value


def _place_frozen_modules(library: "Optional[str]", bundle: str) -> None:
    """Have the modules that are built into the interpreter say that they come from the bundle, as all others do, and
    not from ``library``, where the interpreter has looked for its own."""
    import _imp

    def placed(path: str) -> str:
        return bundle + path[len(library) :] if library and path.startswith(library + "/") else path

    for name, module in list(sys.modules.items()):
        if not _imp.is_frozen(name):
            continue
        state = getattr(module.__spec__, "loader_state", None)
        origin = getattr(state, "origname", None) or name
        inside = origin.replace(".", "/") + ("/__init__.py" if _imp.is_frozen_package(name) else ".py")
        module.__file__ = placed(getattr(module, "__file__", None) or bundle + "/" + inside)
        if state is not None and name != "_frozen_importlib":
            # This one never has it.
            state.filename = module.__file__
