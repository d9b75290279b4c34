"""Where compiled code that an application keeps between its runs is kept: numba's, of functions with ``cache=True``.

numba keeps it beside the source file. That is in the tree, which does not last (staticx), or is unpacked anew once
something in it has changed (native). So what numba does for a directory that cannot be written to comes first: the
user's cache, in a directory that is called after the source file's. Here it is called after the executable instead,
whose place stays the same.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BESIDE_SOURCE = "InTree"
"""How the names of numba's classes for places beside the source begin, but for an underscore in front."""


def adapt(module: "Any", bundle: str) -> None:
    """Adapt numba.core.caching, which has just been imported. ``bundle`` is the directory of the sources."""
    locator: Any = getattr(module, "_CacheLocator", None)
    chooser: Any = getattr(module, "CacheImpl", getattr(module, "_CacheImpl", None))
    if not hasattr(locator, "get_suitable_cache_subpath") or not hasattr(chooser, "_locator_classes"):
        # A version of numba that does it in another way.
        return
    name_directory = locator.get_suitable_cache_subpath.__func__

    def get_suitable_cache_subpath(cls: "Any", py_file: str) -> str:
        path = os.path.abspath(py_file)
        if path.startswith(bundle + "/"):
            path = sys.executable + path[len(bundle) :]
        name: str = name_directory(cls, path)
        return name

    locator.get_suitable_cache_subpath = classmethod(get_suitable_cache_subpath)
    # Beside the source is the last place, for users whose cache cannot be written to.
    kinds = chooser._locator_classes
    beside = [kind for kind in kinds if kind.__name__.lstrip("_").startswith(BESIDE_SOURCE)]
    chooser._locator_classes = [*(kind if kind not in beside else _elsewhere(kind, bundle) for kind in kinds), *beside]


def _elsewhere(kind: "Any", bundle: str) -> "Any":
    """Return a class like ``kind`` that is not for source files in the tree."""

    class Elsewhere(kind):  # type: ignore[misc]
        @classmethod
        def from_function(cls, py_func: "Any", py_file: str) -> "Any":
            if os.path.abspath(py_file).startswith(bundle + "/"):
                return None
            return super().from_function(py_func, py_file)

    Elsewhere.__name__ = kind.__name__
    return Elsewhere
