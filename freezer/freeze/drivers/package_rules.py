"""What a package of a distribution needs besides what its code imports visibly: a table of small rules.

Each rule is a function that is given one package, and adds to a ``Collected`` what it finds. PyInstaller's own hook for
a package, where there is one, knows better what data and modules it needs; rules that guess those say nothing about
a package that is ``hooked``. A rule for one more kind of package is one more function, in the table ``RULES``, with a
test in tests/unit/freeze/test_collect.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Optional

from compiled_imports import NEVER_GUESSED, embedded_names, imports_in_source
from distribution_files import data_files, metadata_files, shared_files
from installed import EXTENSION_SUFFIXES, Inventory, Package, canonical, contents, module_name
from source_patterns import ASKS_METADATA, IMPORTS_BY_NAME, IMPORTS_LITERALLY, READS_OWN_FILES, RUNS_MODULE

NEEDS_INSTALLATION = {"pip", "ensurepip", "venv", "virtualenv"}
"""Modules run by ``-m`` that need a Python that is installed, which a frozen application is not."""
BUILD_TOOLS = {"pip", "setuptools", "wheel"}
"""Distributions that lists of requirements often name although nothing imports them; setuptools would be imported at
each start."""


class Collected:
    """The answer for one package: ``datas`` as (file, folder in the bundle), ``modules`` as dotted names."""

    def __init__(self) -> None:
        self.datas: list[tuple[str, str]] = []
        self.modules: list[str] = []

    def add(self, other: Collected) -> None:
        self.datas += other.datas
        self.modules += other.modules


Rule = Callable[[Package, Inventory, bool, Collected], None]


def its_metadata(package: Package, inventory: Inventory, hooked: bool, found: Collected) -> None:
    """Metadata is small, and ``importlib.metadata.version`` is asked everywhere; data below the prefix has no other
    place."""
    if package.distribution is not None:
        found.datas += metadata_files(package.distribution) + shared_files(package.distribution)


def its_data(package: Package, inventory: Inventory, hooked: bool, found: Collected) -> None:
    """A package whose code reads its own files brings its data files, as does one that has nothing else; what of the
    application's own comes along is known."""
    if hooked or package.distribution is None:
        return
    if READS_OWN_FILES.search(package.text) or not any(name_of(package, path) for path in package.files):
        found.datas += data_files(package)


def its_modules(package: Package, inventory: Inventory, hooked: bool, found: Collected) -> None:
    """A package whose code imports by computed name, or that has compiled modules without visible source, brings its
    submodules."""
    if hooked or package.distribution is None:
        return
    if IMPORTS_BY_NAME.search(package.text) or any(_source_of(path) is None for path in _compiled(package)):
        found.modules += submodules(package)


def imports_by_function(package: Package, inventory: Inventory, hooked: bool, found: Collected) -> None:
    """``__import__("pkgutil")`` and ``import_module("a.b")`` are imports like those of statements."""
    names = {match.group(1).decode() for match in IMPORTS_LITERALLY.finditer(package.text)}
    left_out = NEVER_GUESSED | BUILD_TOOLS
    found.modules += sorted(name for name in names if name.partition(".")[0] not in left_out)


def modules_run_by_name(package: Package, inventory: Inventory, hooked: bool, found: Collected) -> None:
    """A package whose code runs modules of its own by ``-m`` brings these."""
    top = package.name.partition(".")[0]
    found.modules += [name for name in run_modules(package.text) if name.partition(".")[0] == top]


def imports_of_compiled_modules(package: Package, inventory: Inventory, hooked: bool, found: Collected) -> None:
    """The imports of a compiled module are read from the source beside it, else from the strings in it."""
    required = _required(package, inventory)
    for path in _compiled(package):
        stem = _stem(path)
        source = _source_of(path) or (stem + ".pyx" if os.path.isfile(stem + ".pyx") else None)
        name = name_of(package, path)
        if source is not None and name is not None:
            found.modules += imports_in_source(contents(source), name, os.path.basename(stem) == "__init__")
        if source is None or source.endswith(".pyx"):
            found.modules += embedded_names(contents(path), required)


def modules_of_mypyc(package: Package, inventory: Inventory, hooked: bool, found: Collected) -> None:
    """mypyc compiles a package into one module with a hashed name beside it, which nothing imports visibly."""
    if package.distribution is not None:
        others = inventory.of(package.distribution)
        found.modules += [other.name for other in others if other.name.endswith("__mypyc")]


def metadata_that_is_asked_for(package: Package, inventory: Inventory, hooked: bool, found: Collected) -> None:
    """``importlib.metadata.version("other")`` brings the metadata of that distribution."""
    found.add(asked_metadata(package.text, inventory))


def requirements_that_are_named(package: Package, inventory: Inventory, hooked: bool, found: Collected) -> None:
    """What is required for the application by name, and named by a package as a word, is an optional import of that:
    pandas says ``import_optional_dependency("openpyxl")``."""
    if package.distribution is None:
        return
    for distribution in inventory.requested:
        if distribution is not package.distribution and canonical(inventory.name_of(distribution)) not in BUILD_TOOLS:
            for other in inventory.of(distribution):
                word = re.escape(other.name.encode())
                if re.search(rb"['\"]%s['\"]|^\s*(?:import|from)\s+%s\b" % (word, word), package.text, re.MULTILINE):
                    found.modules.append(other.name)


RULES: tuple[Rule, ...] = (
    its_metadata,
    its_data,
    its_modules,
    imports_by_function,
    modules_run_by_name,
    imports_of_compiled_modules,
    modules_of_mypyc,
    metadata_that_is_asked_for,
    requirements_that_are_named,
)
"""All rules but those for plugins and libraries, which are the collector's."""


def run_modules(text: bytes) -> list[str]:
    """The modules that code runs by ``-m``, as literals behind one another; of a package its ``__main__``, too."""
    names = {match.decode() for match in RUNS_MODULE.findall(text)}
    return sorted(
        name
        for given in names
        if given.partition(".")[0] not in NEEDS_INSTALLATION
        for name in (given, given + ".__main__")
    )


def asked_metadata(text: bytes, inventory: Inventory) -> Collected:
    """The metadata of all distributions that a text asks for."""
    found = Collected()
    for match in ASKS_METADATA.finditer(text):
        distribution = inventory.distributions.get(canonical(match.group(1).decode()))
        if distribution is not None:
            found.datas += metadata_files(distribution)
    return found


def submodules(package: Package) -> Iterator[str]:
    """The names of all modules of a package."""
    for path in package.files:
        name = name_of(package, path)
        if name is not None and not package.leaves_out(path):
            yield name


def name_of(package: Package, path: str) -> Optional[str]:
    """The name of the module that a file of a package is; None if it is none."""
    if not os.path.isdir(package.place):
        return package.name
    inside = os.path.relpath(path, package.place)
    return module_name(package.name.split(".") + inside.split(os.sep))


def _compiled(package: Package) -> list[str]:
    return [path for path in package.files if path.endswith(EXTENSION_SUFFIXES)]


def _stem(path: str) -> str:
    return path[: -len(next(suffix for suffix in EXTENSION_SUFFIXES if path.endswith(suffix)))]


def _source_of(path: str) -> Optional[str]:
    """The Python source of a compiled module, if it is there."""
    source = _stem(path) + ".py"
    return source if os.path.isfile(source) else None


def _required(package: Package, inventory: Inventory) -> set[str]:
    """The names of the packages that a package's distribution always requires."""
    names: set[str] = set()
    for requirement in (package.distribution.requires or ()) if package.distribution is not None else ():
        other = inventory.distributions.get(canonical(re.split(r"[^\w.-]", requirement, maxsplit=1)[0]))
        if other is not None and "extra ==" not in requirement:
            names |= {candidate.name for candidate in inventory.of(other)}
    return names
