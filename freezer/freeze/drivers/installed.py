"""What is installed in an environment: distributions, the packages they brought, their entry points.

Read from the files that installers leave (https://packaging.python.org/en/latest/specifications/recording-installed-packages/);
nothing is imported.
"""

from __future__ import annotations

import csv
import functools
import importlib.machinery
import importlib.metadata
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Optional

from source_patterns import NAMED_FILE

Distribution = importlib.metadata.Distribution

NEVER_NAMED = {"__init__.py", "__main__.py", "setup.py", "conftest.py", "py.typed"}
TEST_FOLDERS = {"tests", "test"}
"""What distributions install for those who work on them."""
CACHE = "__pycache__"
ENVIRONMENT_MARK = "pyvenv.cfg"
EXTENSION_SUFFIXES = tuple(importlib.machinery.EXTENSION_SUFFIXES)
HOOKS = "pyinstaller40"
"""The group of entry points that offer hooks for PyInstaller."""
IGNORED_GROUPS = {"console_scripts", "gui_scripts", HOOKS, "distutils.commands", "distutils.setup_keywords"}
PACKAGE_FILE = re.compile(r"__init__\.(?:py|[^/]*(?:so|pyc))")


PLAIN_NAME = re.compile(r"(?:[^/.][^/]*|\.\.+|\.[^/.][^/]*)(?:/(?:[^/.][^/]*|\.\.+|\.[^/.][^/]*))*")
"""A name whose parts are neither empty nor "."."""


def canonical(name: str) -> str:
    """A distribution's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def names_of_files(distribution: Distribution) -> tuple[str, ...]:
    """The names of all files of a distribution, relative to where it is installed, as its ``files`` has them.

    Those are objects, each of which takes longer to make than the line that it comes from takes to be read.
    """
    record = distribution.read_text("RECORD")
    if not record:
        return tuple(str(entry) for entry in distribution.files or ())
    names = [row[0] for row in csv.reader(record.splitlines()) if row]
    return tuple(name if PLAIN_NAME.fullmatch(name) else str(PurePosixPath(name)) for name in names)


class Package:
    """One importable top-level thing of a distribution: a regular package (also inside a namespace), a directory in
    which there is only data, or a module.

    With ``own`` it is the application's, and all of it comes along, whatever its folders are called.
    """

    def __init__(self, name: str, place: str, distribution: Optional[Distribution], own: bool) -> None:
        self.name = name
        self.place = place  # the package's directory, or the module's file
        self.distribution = distribution
        self.own = own
        self.files: list[str] = []  # absolute paths

    def leaves_out(self, path: str) -> bool:
        """Tell whether one of its files is not for use: a test of somebody else's, or compiled for one Python."""
        folders = set(os.path.relpath(path, self.place).split(os.sep)[:-1])
        return CACHE in folders or (not self.own and bool(TEST_FOLDERS & folders))

    @functools.cached_property
    def text(self) -> bytes:
        """All Python source of the package."""
        return b"\n".join(contents(path) for path in self.files if path.endswith(".py"))

    @functools.cached_property
    def named(self) -> set[str]:
        """The file names that the package's code has as literals."""
        return {match.decode() for match in NAMED_FILE.findall(self.text)} - NEVER_NAMED


class Inventory:
    """All distributions on the search path, and what each of them installed."""

    def __init__(self, search: list[str], local_roots: Iterable[tuple[str, str]] = (), own: Sequence[str] = ()) -> None:
        """Read the search path. ``local_roots`` are (name, place) of packages that no distribution has; they are the
        application's own, as is what lies in the directories ``own``. ``requested`` are the distributions that were
        required by name, and not by others alone (PEP 376); ``offers_hooks`` says that one has hooks for
        PyInstaller."""
        self.own = tuple(os.path.join(place, "") for place in own)
        self.distributions: dict[str, Distribution] = {}
        self.packages: dict[str, Package] = {}
        self.requested: list[Distribution] = []
        self._names: dict[int, str] = {}
        self._of: dict[int, list[Package]] = {}
        self.offers_hooks = False
        self.groups: dict[str, list[tuple[importlib.metadata.EntryPoint, Distribution]]] = {}
        for distribution in importlib.metadata.distributions(path=search):
            name = distribution.metadata["Name"]
            if not name or canonical(name) in self.distributions:
                continue
            self.distributions[canonical(name)] = distribution
            self._names[id(distribution)] = name
            if distribution.read_text("REQUESTED") is not None:
                self.requested.append(distribution)
            for entry in distribution.entry_points:
                self.offers_hooks |= entry.group == HOOKS
                if entry.group not in IGNORED_GROUPS and not entry.group.startswith("setuptools."):
                    self.groups.setdefault(entry.group, []).append((entry, distribution))
            self._add_packages(distribution)
        for name, place in local_roots:
            # In front of one that is installed, too, as when Python searches.
            package = self.packages[name] = Package(name, place, None, own=True)
            package.files = list(walk(place)) if os.path.isdir(place) else [place]

    def _add_packages(self, distribution: Distribution) -> None:
        base = os.path.join(str(distribution.locate_file("")), "")
        # An absolute name has an empty part at its start.
        inside = [
            parts
            for parts in (name.split("/") for name in sorted(names_of_files(distribution)))
            if ".." not in parts and parts[0] and not parts[0].endswith((".dist-info", ".egg-info", ".data"))
        ]
        regular = {tuple(parts[:-1]) for parts in inside if PACKAGE_FILE.fullmatch(parts[-1])}
        modules = [module_name(parts) for parts in inside]
        with_code = {
            tuple(parts[:depth]) for parts, name in zip(inside, modules) if name for depth in range(len(parts))
        }
        for parts, module in zip(inside, modules):
            path = base + "/".join(parts)
            name, place = module, path
            for depth in range(1, len(parts)):
                folder = tuple(parts[:depth])
                if folder in regular:
                    name, place = ".".join(folder), base + "/".join(folder)
                    break
                if name is None and folder not in with_code and all(map(str.isidentifier, folder)):
                    # Data alone: the code that reads it names the directory like a package.
                    name, place = ".".join(folder), base + "/".join(folder)
            if name is None:
                continue
            if name not in self.packages:
                self.packages[name] = Package(name, place, distribution, place.startswith(self.own))
                self._of.setdefault(id(distribution), []).append(self.packages[name])
            self.packages[name].files.append(path)

    def of(self, distribution: Distribution) -> list[Package]:
        """The packages that a distribution of the inventory installed."""
        return self._of.get(id(distribution), [])

    def name_of(self, distribution: Distribution) -> str:
        """The name of a distribution of the inventory; its metadata would be read anew each time."""
        return self._names[id(distribution)]


def walk(folder: str) -> Iterator[str]:
    for directory, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name != CACHE and not os.path.exists(os.path.join(directory, name, ENVIRONMENT_MARK))
        )
        for name in sorted(files):
            yield os.path.join(directory, name)


def module_name(parts: Sequence[str]) -> Optional[str]:
    """The dotted name of a module file given by its path's parts below the search path; None if it is none."""
    last = parts[-1]
    for suffix in (".py", *EXTENSION_SUFFIXES):
        if last.endswith(suffix):
            stem = last[: -len(suffix)]
            break
    else:
        return None
    names = [*parts[:-1]] if stem == "__init__" else [*parts[:-1], stem]
    if not names or not all(re.fullmatch(r"\w+", name) for name in names):
        return None
    return ".".join(names)


def contents(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
