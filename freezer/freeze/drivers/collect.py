"""What a distribution needs at run time besides the modules that its code imports visibly.

PyInstaller follows import statements in bytecode. It cannot see data files, modules imported by a computed name,
imports inside compiled extensions, or plugins found through entry points; such applications start and die. This
module answers, for one importable package of the build environment, from the files that its distribution installed.

The rules for one package are in ``package_rules``. Besides:

* a library that its code looks up by a literal name, and the charset of a locale that it names, are remembered, for the
  closure;
* a package that reads a group of entry points brings the modules of all distributions that offer such;
* for the application's own distribution everything comes along, the source files too where its code speaks of files
  by such names (ansible sends its modules to other machines as source).
"""

from __future__ import annotations

import os
from typing import Union

from distribution_files import data_files, metadata_files, shared_files
from installed import EXTENSION_SUFFIXES, Distribution, Inventory, Package, contents
from package_rules import RULES, Collected, asked_metadata, submodules
from source_patterns import NAMES_CHARSET, OPENS_LIBRARY, READS_OWN_SOURCE, named_in

DRIVERS_OF_THE_HOST = {"GL", "EGL", "GLX", "GLESv2", "OpenGL", "OpenCL", "vulkan", "cuda", "nvidia-ml", "drm", "gbm"}
"""Libraries that must come from where the application runs: they belong to its hardware."""


class Collector:
    """Answers for packages of one inventory, and remembers what it gave, for the report."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.given: dict[str, tuple[set[str], set[str]]] = {}
        self.opened: set[str] = set()
        self.charsets: set[str] = set()

    def whole_distribution(self, distribution: Distribution) -> Collected:
        """Everything that the application's own distribution, or one offering plugins to it, installed."""
        found = Collected()
        for package in self.inventory.of(distribution):
            found.modules += submodules(package)
            found.datas += data_files(package, sources=bool(READS_OWN_SOURCE.search(package.text)))
            found.add(self._of_text(package))
        found.datas += metadata_files(distribution) + shared_files(distribution)
        self._remember(distribution, found)
        return found

    def whole_package(self, name: str) -> Collected:
        """All modules and data of a package of somebody else's that the application names in its settings."""
        found = Collected()
        package = self.inventory.packages.get(self._package_of(name))
        if package is None or package.distribution is None:
            return found
        inside = os.path.join(name.replace(".", os.sep), "")
        found.modules += [item for item in submodules(package) if (item + ".").startswith(name + ".")]
        # Translations are read compiled.
        found.datas += [
            (path, folder)
            for path, folder in data_files(package)
            if os.path.join(folder, "").startswith(inside) and not path.endswith(".po")
        ]
        self._remember(package.distribution, found)
        return found

    def package(self, name: str, hooked: bool) -> Collected:
        """What the package ``name`` needs; ``hooked`` says that PyInstaller has a hook of its own for it."""
        found = Collected()
        package = self.inventory.packages.get(name)
        if package is None:
            return found
        for rule in RULES:
            rule(package, self.inventory, hooked, found)
        found.add(self._of_text(package))
        self._remember(package.distribution or name, found)
        return found

    def _remember(self, distribution: Union[Distribution, str], found: Collected) -> None:
        name = distribution if isinstance(distribution, str) else self.inventory.name_of(distribution)
        files, modules = self.given.setdefault(name, (set(), set()))
        files.update(path for path, _ in found.datas)
        modules.update(found.modules)

    def _of_text(self, package: Package) -> Collected:
        text = b"\n".join(contents(path) for path in package.files if path.endswith((".py", *EXTENSION_SUFFIXES)))
        return self.of_text(text)

    def of_text(self, text: bytes) -> Collected:
        """What code of any kind asks for by names in it: metadata, plugins, libraries, charsets."""
        found = asked_metadata(text, self.inventory)
        found.add(self.plugins(text))
        self.opened |= opened_libraries(text)
        self.charsets |= named_charsets(text)
        return found

    def plugins(self, text: bytes) -> Collected:
        """The modules and metadata of all distributions that offer entry points in a group named in ``text``."""
        found = Collected()
        for group, offers in sorted(self.inventory.groups.items(), key=lambda item: item[0]):
            if not named_in(text, group):
                continue
            for entry, distribution in offers:
                module = entry.value.split(":")[0].split("[")[0].strip()
                found.modules.append(module)
                found.datas += metadata_files(distribution)
                package = self.inventory.packages.get(self._package_of(module))
                if package is not None:
                    found.modules += submodules(package)
                    found.datas += data_files(package)
        return found

    def _package_of(self, module: str) -> str:
        while module and module not in self.inventory.packages:
            module = module.rpartition(".")[0]
        return module


def opened_libraries(text: bytes) -> set[str]:
    """The names that code asks ctypes.util.find_library for, such as "pq"."""
    return {match.decode() for match in OPENS_LIBRARY.findall(text)} - DRIVERS_OF_THE_HOST


def named_charsets(text: bytes) -> set[str]:
    """The charsets of locales that code names, other than UTF-8."""
    found = {match.decode() for match in NAMES_CHARSET.findall(text)}
    return {name for name in found if name.replace("-", "").lower() != "utf8"}
