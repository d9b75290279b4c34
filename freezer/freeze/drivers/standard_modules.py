"""Python's own modules, and those of an application that are called like one of them."""

from __future__ import annotations

import importlib.machinery
import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence

STARTED = (
    "_collections_abc _sitebuiltins abc codecs encodings genericpath importlib io ntpath os posixpath site stat "
    "zipimport"
).split()
"""Modules that Python has imported before an application's first line, and that are never found elsewhere."""


def standard_names() -> frozenset[str]:
    """The names of the standard library's modules; before 3.10 Python does not say them."""
    names = getattr(sys, "stdlib_module_names", None)
    if names is None:
        folder = sysconfig.get_path("stdlib")
        names = {*modules_in(folder), *modules_in(os.path.join(folder, "lib-dynload")), *sys.builtin_module_names}
    return frozenset(names)


def modules_in(place: str) -> Iterator[str]:
    """The names of the modules and regular packages in a directory."""
    for name in os.listdir(place) if os.path.isdir(place) else ():
        stem, _, suffix = name.partition(".")
        package = os.path.isfile(os.path.join(place, name, "__init__.py"))
        if package or "." + suffix in (".py", *importlib.machinery.EXTENSION_SUFFIXES):
            yield stem


def shadowed(search: Sequence[str]) -> dict[str, str]:
    """The modules in the directories ``search`` that come before Python's own of the same name, with their directory:
    Python has the directory of a script in front of its own."""
    standard = standard_names() - set(sys.builtin_module_names) - set(STARTED)
    return {name: place for place in reversed(search) for name in modules_in(place) if name in standard}
