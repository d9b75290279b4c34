"""Runs under the Python of the build environment; says where it would find a module, a file or a distribution, without
running any of their code."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from environment_messages import AvailableAnswer, AvailableRequest

LOADERS = (
    (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
    (importlib.machinery.SourceFileLoader, importlib.machinery.SOURCE_SUFFIXES),
    (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
)


def place_of_module(name: str, path: Iterable[str]) -> Optional[str]:
    """Return the file or directory of a module, or "built-in". Unlike importlib.util.find_spec(), do not import its
    package."""
    if name in sys.builtin_module_names:
        return "built-in"
    places = list(path)
    found: list[importlib.machinery.ModuleSpec] = []
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        found = list(specs(".".join(parts[:depth]), places))
        # What is in several directories is a package without an __init__.py, unless one of them has a module.
        whole = next((spec for spec in found if spec.origin is not None), None)
        found = found if whole is None else [whole]
        places = [place for spec in found for place in spec.submodule_search_locations or ()]
    return next((spec.origin for spec in found if spec.origin is not None), next(iter(places), None))


def specs(name: str, path: Iterable[str]) -> Iterator[importlib.machinery.ModuleSpec]:
    """Yield what each directory has of that name. Python's own finder would ask the imported package for its places."""
    for place in path:
        spec = importlib.machinery.FileFinder(place, *LOADERS).find_spec(name)
        if spec is not None:
            yield spec


def answer(request: AvailableRequest) -> AvailableAnswer:
    path = [*request["search"], *sys.path]
    module, file, distribution = request["module"], request["file"], request["distribution"]
    places = [os.path.join(place, file) for place in path] if file is not None else []
    found = None
    if distribution is not None:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError):
            found = importlib.metadata.distribution(distribution).metadata["Name"]
    return {
        "module": place_of_module(module, path) if module is not None else None,
        "file": next(filter(os.path.exists, places), None),
        "distribution": found,
    }


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
