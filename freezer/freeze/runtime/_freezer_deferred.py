"""Work that an application needs only once a certain module is imported, done right then.

A finder in front of the others lets them find the module and wraps its loader, so that what is registered for the
module runs before or after its code. The module keeps its own loader and spec.
"""

import sys

import _freezer_provisions as provisions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Optional

    from _freezer_provisions import After, Before

AFTER = {
    "inspect": "_freezer_pyi_rth_inspect",
    "pkgutil": "_freezer_pyi_rth_pkgutil",
    "multiprocessing": "_freezer_pyi_rth_multiprocessing",
    "pkg_resources": "_freezer_pyi_rth_pkgres",
}
UNHEARD = "sysconfig", "tkinter", "xml.dom.domreg", "xml.sax"
"""Modules that take the name of code from variables."""
COPY = "from multiprocess."
"""How commands of a copy of multiprocessing that can do more begin (multiprocess, which belongs to dill)."""
COMMANDS = tuple(start + name for start in ("", "import sys; ") for name in ("from multiprocessing.", COPY))


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
    if "_freezer_pyi_rth_multiprocessing" in available:
        _divert_multiprocessing()


def _stop_hearing(module: "ModuleType") -> None:
    import _freezer_unheard

    _freezer_unheard.MENDS[module.__name__](module)


def _keep_tree_as_it_is(bundle: str) -> None:
    """Have Python write no bytecode beside sources in the tree, as into the application's own directories: it is shared
    by all who start the application, and each start compares it with what was unpacked."""
    from _frozen_importlib_external import SourceFileLoader

    loader: Any = SourceFileLoader
    write = loader.set_data

    def set_data(self: "Any", path: str, data: bytes, **keywords: "Any") -> None:
        from os.path import dirname, realpath

        if not (realpath(path) + "/").startswith(realpath(dirname(bundle)) + "/"):
            write(self, path, data, **keywords)

    loader.set_data = set_data


def _divert_multiprocessing() -> None:
    """Become a helper process of multiprocessing if this is one, without the application having to ask for it.

    Python starts them as ``executable --multiprocessing-fork ...`` or ``executable -c "from multiprocessing..."``; an
    application started so by anybody but itself runs normally: the parent must be the same executable, or someone
    who may choose only the arguments could choose the code.
    """
    arguments = sys.argv[1:]
    command = next((item for item in arguments if item.startswith(COMMANDS)), "")
    if "--multiprocessing-fork" not in arguments[:1] and not command:
        return
    import os

    try:
        own, parent = os.stat("/proc/self/exe"), os.stat("/proc/%d/exe" % os.getppid())
        trusted = (own.st_dev, own.st_ino) == (parent.st_dev, parent.st_ino)
    except OSError:
        trusted = not os.path.exists("/proc/self/exe") and _has_descriptors(arguments)
    if trusted:
        _take_options(arguments)
        import multiprocessing.spawn

        multiprocessing.spawn._fixup_main_from_path = _run_main_script  # type: ignore[attr-defined]
        if COPY in command:
            _become_helper_of_copy(arguments, command)
        multiprocessing.freeze_support()


def _take_options(arguments: list[str]) -> None:
    """Replace the options of the parent's interpreter by those of this one, as PyInstaller knows helpers by these: the
    two differ once the application has set a variable such as PYTHONWARNINGS, or changed ``sys.warnoptions``."""
    if "-c" in arguments:
        from subprocess import _args_from_interpreter_flags as options  # type: ignore[attr-defined]

        arguments[: arguments.index("-c")] = options()
        sys.argv[1:] = arguments


def _become_helper_of_copy(arguments: list[str], command: str) -> None:
    """What PyInstaller's freeze_support() does for helpers of the standard library's, and as strictly: behind ``-c``,
    which only the interpreter's own options precede."""
    from subprocess import _args_from_interpreter_flags as options  # type: ignore[attr-defined]

    before = arguments[: arguments.index("-c")] if "-c" in arguments else arguments
    if arguments[len(before) + 1 :][:1] == [command] and set(before) == set(options()):
        exec(command, {})
        sys.exit()


def _has_descriptors(arguments: list[str]) -> bool:
    """Without /proc: whether the arguments are such as multiprocessing makes, and the descriptors that they name are
    there. A parent hands these over; whoever may choose only the arguments cannot, but for the standard streams.
    """
    import ast
    import os
    import stat

    try:
        if arguments[0] == "--multiprocessing-fork":
            numbers = [int(item.partition("=")[2]) for item in arguments[1:]]
        else:
            command = arguments[arguments.index("-c") + 1]
            # Python 3.13.13 and 3.14.4 have the forkserver's own arguments follow.
            if command.startswith("import sys; "):
                command = command[len("import sys; ") :]
            module, _, call = command.partition(" import main;")
            call = call.strip()
            if (
                module.rpartition(".")[0] not in ("from multiprocessing", COPY[:-1])
                or not module.rpartition(".")[2].isidentifier()
            ):
                return False
            if not (call.startswith("main(") and call.endswith(")")):
                return False
            words = call[5:-1].replace(", sys_argv=sys.argv[1:]", "", 1).replace(", **{", ", {", 1)
            given = ast.literal_eval("[" + words + "]")
            numbers = [item for item in given if isinstance(item, int)]
        kinds = [stat.S_IFMT(os.fstat(number).st_mode) for number in numbers]
    except (LookupError, OSError, SyntaxError, TypeError, ValueError):
        return False
    return bool(numbers) and min(numbers) > 2 and set(kinds) <= {stat.S_IFIFO, stat.S_IFSOCK}


def _run_main_script(path: str) -> None:
    """Give a spawned process the functions and classes of the main script, as Python does by running its file.

    The script itself is still to come in this process, and must not run as ``__main__``.
    """
    import _freezer_runner

    module = type(sys)("__mp_main__")
    module.__file__ = path
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    exec(_freezer_runner.main_code(path), module.__dict__)
