"""Has Python run the application's main script, with no frame below it, as Python has none.

Python is given the archive of modules to run, as it would be given a zip archive. That the archive can be imported
from is in Python's cache of importers, so Python gets ``_run_module_as_main`` of the module runpy and calls it. What
stands in for runpy prepares the application when it is asked for that function. The function is made of callables in C,
which have no frames: so debuggers, warnings, and what looks for its caller see the application alone, and the
interpreter prints what the script does not catch.

The script's code is in the archive as a module, where processes spawned by multiprocessing find it too.
"""

import _signal  # type: ignore[import-not-found]
import sys
from _collections import defaultdict  # type: ignore[import-not-found]

import _freezer_finders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

    Prepare = Callable[[], CodeType]

MAIN_SCRIPT = "_freezer_main_script"
PACKAGE_SCRIPT = "/_freezer_package.py"
"""The end of the name of a script that says which module of a package to run."""


class Quitter:
    """What ``exit`` and ``quit`` are, which the module ``site`` gives to every script. Its own class comes with pydoc
    and all that needs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return "Use %s() or Ctrl-D to exit" % self.name

    def __call__(self, code: object = None) -> None:
        raise SystemExit(code)


def install(prepare: "Prepare") -> None:
    """Have Python run the code that ``prepare`` returns, once it runs the archive that is its first argument."""
    runner: Any = _Runpy(prepare)
    sys.modules["runpy"] = sys.path_importer_cache[sys.argv[0]] = runner


class _Runpy:
    """Stands in for the module runpy until Python has got the function that it calls."""

    def __init__(self, prepare: "Prepare") -> None:
        self._prepare = prepare

    @property
    def _run_module_as_main(self) -> "Callable[[str, bool], object]":
        del sys.modules["runpy"], sys.path_importer_cache[sys.argv[0]]
        if sys.path[:1] == sys.argv[:1]:
            # Python has put it there.
            del sys.path[0]
        try:
            return _calling(self._prepare())
        except BaseException as error:
            # One that is raised here would be taken for a damaged runpy.
            failure = error

        def fail(_name: str, _alter: bool) -> object:
            raise failure

        return fail


def _calling(code: "CodeType") -> "Callable[[str, bool], object]":
    """Return what takes two arguments and runs code in the module ``__main__``, without a frame of its own."""
    function_type: Any = type(_calling)
    function = function_type(code, sys.modules["__main__"].__dict__)
    # The getter of a property passes on the first argument, for which a dictionary makes a value by calling the
    # function without any.
    return property(_Ended(function).__getitem__).__get__  # type: ignore[return-value]


class _Ended(defaultdict):  # type: ignore[misc]
    """Is gone when the main script has ended, before an exception that it does not catch is printed; then it has no
    value."""

    def __del__(self) -> None:
        if not self:
            from _freezer_parent import has_unpacked_this

            if has_unpacked_this():
                _prepare_for_second_interrupt()


def _prepare_for_second_interrupt() -> None:
    """Ignore one SIGINT if the first has ended the main script: at a terminal the signal comes a second time, forwarded
    by the program that unpacked this one."""
    hook = sys.excepthook

    def hook_once(kind: "Any", *more: "Any") -> None:
        sys.excepthook = hook
        if kind is KeyboardInterrupt and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, _ignore_once)
        hook(kind, *more)

    # If there is none, the interpreter says so.
    if callable(hook):
        sys.excepthook = hook_once


def _ignore_once(_number: int, _frame: object) -> None:
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def main_code(path: str) -> "CodeType":
    """Return the code to run, for which the module ``__main__`` says what it is: the main script, which says that its
    file is ``path``, or the main module of a package, as for ``python -m``."""
    main: Any = sys.modules["__main__"]
    loader = _freezer_finders.main_loader(MAIN_SCRIPT, path)
    # Named after its own file rather than after the module that it is stored as.
    code = loader.get_code("__main__")
    assert code is not None
    if path.endswith(PACKAGE_SCRIPT):
        names = {"__name__": "__main__"}
        exec(code, names)
        return _code_of_module(names["MODULE"])
    main.__file__, main.__loader__ = path, loader
    main.__cached__ = None
    return code


def _code_of_module(name: str) -> "CodeType":
    main: Any = sys.modules["__main__"]
    importlib = sys.modules["_frozen_importlib"]
    package = name.rpartition(".")[0]
    __import__(package)
    spec = importlib._find_spec(name, sys.modules[package].__path__)
    main.__spec__, main.__loader__, main.__file__ = spec, spec.loader, spec.origin
    main.__package__ = package
    main.__cached__ = spec.cached
    code: CodeType = spec.loader.get_code(name)
    return code
