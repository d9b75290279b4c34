"""Notices what imports ask of the environment and of the arguments, and what random generators begin with."""

import faulthandler
import os
import posix
import sys

from probe_channel import SIGNAL, TRACES, noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

ARGUMENTS = frozenset(("argv", "orig_argv"))
WHOLE = (
    *("__iter__", "__len__", "__eq__", "__repr__", "__or__", "__ror__", "__reversed__", "__reduce_ex__"),
    *("keys", "values", "items", "copy", "popitem"),
)
"""The methods of a dictionary that show all of it."""
ASKING, SETTING = ("__getitem__", "__contains__", "get", "setdefault", "pop"), ("__setitem__", "__delitem__")


class Variables(dict):  # type: ignore[type-arg]
    """Stands in for the dictionary behind os.environ and os.environb, and for that of posix."""


def _watched(method: str, kind: str) -> "Callable[..., Any]":
    original = getattr(dict, method)

    def watched(self: "Any", name: "Any", *more: "Any") -> "Any":
        noted(kind, name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name))
        return original(self, name, *more)

    return watched


def _shown(method: str) -> "Callable[..., Any]":
    original = getattr(dict, method)

    def shown(self: "Any", *arguments: "Any") -> "Any":
        noted("asked", "*")
        return original(self, *arguments)

    return shown


for _method in ASKING:
    setattr(Variables, _method, _watched(_method, "asked"))
for _method in SETTING:
    setattr(Variables, _method, _watched(_method, "set"))
for _method in WHOLE:
    if hasattr(dict, _method):
        setattr(Variables, _method, _shown(_method))


class System(type(sys)):  # type: ignore[misc]
    """Stands in for the class of the module ``sys``."""

    def __getattribute__(self, name: str) -> "Any":
        if name in ARGUMENTS:
            noted("argv", name)
        return super().__getattribute__(name)


def _of_random(module: "Any") -> str:
    return repr(module.getstate())


def _of_numpy(module: "Any") -> str:
    state = module.get_state()
    return repr((state[0], state[1].tobytes(), state[2:]))


STATES: "dict[str, Callable[[ModuleType], str]]" = {"random": _of_random, "numpy.random.mtrand": _of_numpy}
"""The modules that have a generator of random numbers for all, and how to get at its state."""


def name_users(module: "Any", states: "dict[str, str]") -> None:
    """Have the functions of the module ``random`` that use the generator for all tell who calls them. What they do to
    it is no change that ``states`` is to show, unless another has used it meanwhile."""

    def telling(name: str, original: "Any") -> "Any":
        def told(*arguments: "Any", **keywords: "Any") -> "Any":
            noted("rolled", name)
            unchanged = _of_random(module) == states["random"]
            try:
                return original(*arguments, **keywords)
            finally:
                if unchanged:
                    states["random"] = _of_random(module)

        return told

    for name, value in list(vars(module).items()):
        if getattr(value, "__self__", None) is module._inst and name != "getstate":
            setattr(module, name, telling(name, value))


class Beginnings:
    """A meta path finder that keeps in ``states`` what these generators begin with."""

    def __init__(self) -> None:
        self.states = {name: state(sys.modules[name]) for name, state in STATES.items() if name in sys.modules}
        self._found = set(self.states)

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        if name not in STATES or name in self._found:
            return None
        self._found.add(name)
        for finder in sys.meta_path:
            spec: Any = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader, self.states)
                return spec
        return None

    def changed(self) -> "list[str]":
        """Return the modules whose generator has been seeded or used since."""
        return [name for name, state in self.states.items() if STATES[name](sys.modules[name]) != state]


class _Loader:
    """Stands in for a module's loader while the module is made."""

    def __init__(self, loader: "Any", states: "dict[str, str]") -> None:
        self._loader = loader
        self._states = states

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._loader, name)

    def create_module(self, spec: "Any") -> "Any":
        spec.loader = self._loader
        try:
            return self._loader.create_module(spec)
        finally:
            spec.loader = self

    def exec_module(self, module: "Any") -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._states[module.__name__] = STATES[module.__name__](module)
        if module.__name__ == "random":
            name_users(module, self._states)


def watch() -> Beginnings:
    """Begin; what asks for the place in the code is answered from now on, too."""
    environment: Any = os.environ
    faulthandler.register(SIGNAL, file=TRACES, all_threads=False)
    environment._data = Variables(environment._data)
    raw: Any = os.environb
    raw._data = environment._data
    module: Any = posix
    module.environ = Variables(posix.environ)
    sys.__class__ = System
    beginnings = Beginnings()
    sys.meta_path.insert(0, beginnings)
    return beginnings
