"""What a distribution needs at run time besides the modules that its code imports visibly.

PyInstaller follows import statements in bytecode. It cannot see data files, modules imported by a computed name,
imports inside compiled extensions, or plugins found through entry points; such applications start and die. This
module answers, for one importable package of the build environment, from the files that its distribution installed.

The rules, the same for every package:

* metadata always comes along (it is small, and ``importlib.metadata.version`` is asked everywhere);
* a package whose code reads its own files brings its data files;
* a package whose code imports by computed name, or has compiled modules without visible source, brings its
  submodules; PyInstaller's own hook for a package, where there is one, knows better, and these two are left to it;
* a library that its code looks up by a literal name is remembered, for the closure;
* the imports of a compiled module are read from the source beside it, else from the strings in it;
* a package that reads a group of entry points brings the modules of all distributions that offer such;
* for the application's own distribution everything comes along, the source files too where its code speaks of files
  by such names (ansible sends its modules to other machines as source).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import Optional, Union

from installed import (
    EXTENSION_SUFFIXES,
    Distribution,
    Inventory,
    Package,
    canonical,
    contents,
    module_name,
)

DROPPED_METADATA = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "WHEEL"}
"""Files of a .dist-info that hold hashes of, or paths in, the build environment, or say how it was installed."""

SOURCE_SUFFIXES = (".py", ".pyc", ".pyo", ".pyi", ".pyx", ".pxd", ".pxi", ".c", ".cc", ".cpp", ".h", ".hpp", ".typed")
SHARED_FOLDERS_IGNORED = {"man", "doc", "info", "bash-completion", "fish", "zsh", "applications", "icons", "locale"}

READS_OWN_FILES = re.compile(
    rb"__file__|importlib[._]resources|\bresources\b|\bget_data\b|pkg_resources|PackageLoader|package_data"
)
READS_OWN_SOURCE = re.compile(rb"getsource\(|['\"/][\w*]+\.py['\"]")
IMPORTS_BY_NAME = re.compile(
    rb"import_module|__import__\s*\(|iter_modules|walk_packages|find_spec|spec_from|load_module|find_loader"
    rb"|lazy_import|LazyModule|LazyLoader|lazy_loader|import_string|locate\("
)
ASKS_METADATA = re.compile(
    rb"(?:version|distribution|metadata|requires|get_distribution|require|files)\(\s*['\"]([A-Za-z0-9._-]+)['\"]"
)
OPENS_LIBRARY = re.compile(rb"find_library\(\s*['\"]([A-Za-z0-9_+.-]+)['\"]")
DRIVERS_OF_THE_HOST = {"GL", "EGL", "GLX", "GLESv2", "OpenGL", "OpenCL", "vulkan", "cuda", "nvidia-ml", "drm", "gbm"}
"""Libraries that must come from where the application runs: they belong to its hardware."""
IMPORT_LINE = re.compile(
    rb"^\s*(?:from\s+(\.*[\w.]*)\s+c?import\s+([\w*, \t(]+)|c?import\s+([\w., \t]+))", re.MULTILINE
)
EMBEDDED_NAME = re.compile(rb"(?<=\0)[A-Za-z_][A-Za-z0-9_.]{1,80}(?=\0)")
COMMON_FROM_C = (
    "asyncio base64 collections.abc contextvars copy dataclasses datetime decimal enum fractions functools inspect "
    "ipaddress json logging pathlib re socket ssl traceback types typing uuid warnings weakref zoneinfo"
).split()
"""Standard modules that compiled code imports by name; Rust strings are not terminated, so that only known ones can
be looked for there."""
NEVER_GUESSED = {"test", "idlelib", "tkinter", "turtle", "turtledemo", "lib2to3", "this", "antigravity", "ensurepip"}


class Collected:
    """The answer for one package: ``datas`` as (file, folder in the bundle), ``modules`` as dotted names."""

    def __init__(self) -> None:
        self.datas: list[tuple[str, str]] = []
        self.modules: list[str] = []

    def add(self, other: Collected) -> None:
        self.datas += other.datas
        self.modules += other.modules


class Collector:
    """Answers for packages of one inventory, and remembers what it gave, for the report."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.given: dict[str, tuple[set[str], set[str]]] = {}
        self.opened: set[str] = set()

    def whole_distribution(self, distribution: Distribution) -> Collected:
        """Everything that the application's own distribution, or one offering plugins to it, installed."""
        found = Collected()
        for package in self.inventory.of(distribution):
            found.modules += list(self._submodules(package))
            found.datas += self._data_files(package, sources=bool(READS_OWN_SOURCE.search(package.text)))
            found.add(self._of_text(package))
        found.datas += self.metadata(distribution) + self._shared_files(distribution)
        self._remember(distribution, found)
        return found

    def whole_package(self, name: str) -> Collected:
        """All modules and data of a package of somebody else's that the application names in its settings."""
        found = Collected()
        package = self.inventory.packages.get(self._package_of(name))
        if package is None or package.distribution is None:
            return found
        inside = os.path.join(name.replace(".", os.sep), "")
        modules = (item for item in self._submodules(package) if (item + ".").startswith(name + "."))
        found.modules += sorted(item for item in modules if not _is_test(item))
        found.datas += [
            (path, folder)
            for path, folder in self._data_files(package)
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
        modules, opaque = self._compiled_imports(package)
        found.modules += modules
        if not hooked:
            text = package.text
            # What of the application's own files comes along is known.
            if READS_OWN_FILES.search(text) and package.distribution is not None:
                found.datas += self._data_files(package)
            if (IMPORTS_BY_NAME.search(text) or opaque) and package.distribution is not None:
                found.modules += list(self._submodules(package))
        found.add(self._of_text(package))
        if package.distribution is not None:
            found.datas += self.metadata(package.distribution)
            for other in self.inventory.of(package.distribution):
                # mypyc compiles a package into one module with a hashed name beside it, which nothing imports visibly.
                if other.name.endswith("__mypyc"):
                    found.modules.append(other.name)
        self._remember(package.distribution or name, found)
        return found

    def _remember(self, distribution: Union[Distribution, str], found: Collected) -> None:
        name = distribution if isinstance(distribution, str) else distribution.metadata["Name"]
        files, modules = self.given.setdefault(name, (set(), set()))
        files.update(path for path, _ in found.datas)
        modules.update(found.modules)

    def _of_text(self, package: Package) -> Collected:
        found = Collected()
        text = b"\n".join(contents(path) for path in package.files if path.endswith((".py", *EXTENSION_SUFFIXES)))
        for match in ASKS_METADATA.finditer(text):
            distribution = self.inventory.distributions.get(canonical(match.group(1).decode()))
            if distribution is not None:
                found.datas += self.metadata(distribution)
        found.add(self.plugins(text))
        self.opened |= opened_libraries(text)
        return found

    def plugins(self, text: bytes) -> Collected:
        """The modules and metadata of all distributions that offer entry points in a group named in ``text``."""
        found = Collected()
        for group, offers in sorted(self.inventory.groups.items(), key=lambda item: item[0]):
            name = group.encode()
            if b'"' + name + b'"' not in text and b"'" + name + b"'" not in text:
                continue
            for entry, distribution in offers:
                module = entry.value.split(":")[0].split("[")[0].strip()
                found.modules.append(module)
                found.datas += self.metadata(distribution)
                package = self.inventory.packages.get(self._package_of(module))
                if package is not None:
                    found.modules += list(self._submodules(package))
                    found.datas += self._data_files(package)
        return found

    def _package_of(self, module: str) -> str:
        while module and module not in self.inventory.packages:
            module = module.rpartition(".")[0]
        return module

    def _submodules(self, package: Package) -> Iterator[str]:
        for path in package.files:
            name = self._name_of(package, path)
            if name is not None and not package.leaves_out(path):
                yield name

    @staticmethod
    def _name_of(package: Package, path: str) -> Optional[str]:
        if not os.path.isdir(package.place):
            return package.name
        inside = os.path.relpath(path, package.place)
        return module_name(package.name.split(".") + inside.split(os.sep))

    @staticmethod
    def _data_files(package: Package, sources: bool = False) -> list[tuple[str, str]]:
        """All files of a package that are not code; with ``sources`` the Python files too.

        A source file that the package's code speaks of by name is data like any other: some compile their C code, or
        read their own modules, when they are imported.
        """
        if not os.path.isdir(package.place):
            return []
        prefix = package.name.replace(".", os.sep)
        found = []
        for path in package.files:
            inside = os.path.relpath(path, package.place)
            folder, name = os.path.split(inside)
            if package.leaves_out(path) or not os.path.isfile(path):
                continue
            if path.endswith(SOURCE_SUFFIXES):
                # Outside any package they are read, not imported: templates, the stubs of a type checker.
                template = not os.path.exists(os.path.join(package.place, folder, "__init__.py"))
                if not (template or name in package.named or (sources and path.endswith(".py"))):
                    continue
            elif path.endswith(EXTENSION_SUFFIXES):
                continue
            found.append((path, os.path.join(prefix, folder) if folder else prefix))
        return found

    @staticmethod
    def metadata(distribution: Distribution) -> list[tuple[str, str]]:
        """The files that describe a distribution, but for what says how it was installed."""
        found = []
        for entry in distribution.files or ():
            if entry.parts[0].endswith((".dist-info", ".egg-info")) and entry.name not in DROPPED_METADATA:
                path = str(distribution.locate_file(entry))
                if os.path.isfile(path) and "licenses" not in entry.parts:
                    found.append((path, os.path.dirname(str(entry))))
        return found

    @staticmethod
    def _shared_files(distribution: Distribution) -> list[tuple[str, str]]:
        """Files under the prefix's share/ and etc/; a frozen application finds them, its sys.prefix is the bundle."""
        found = []
        for entry in distribution.files or ():
            parts = [part for part in entry.parts if part != ".."]
            if len(parts) == len(entry.parts) or len(parts) < 3 or parts[0] not in ("share", "etc"):
                continue
            path = str(distribution.locate_file(entry))
            if parts[1] not in SHARED_FOLDERS_IGNORED and os.path.isfile(path):
                found.append((path, os.path.join(*parts[:-1])))
        return found

    def _compiled_imports(self, package: Package) -> tuple[list[str], bool]:
        """The imports inside compiled modules, and whether one had no source to read them from."""
        found: list[str] = []
        opaque = False
        for path in package.files:
            if not path.endswith(EXTENSION_SUFFIXES):
                continue
            stem = path[: -len(next(s for s in EXTENSION_SUFFIXES if path.endswith(s)))]
            name = self._name_of(package, path)
            source = next((stem + suffix for suffix in (".py", ".pyx") if os.path.isfile(stem + suffix)), None)
            if source is not None and name is not None:
                found += imports_in_source(contents(source), name, os.path.basename(stem) == "__init__")
            if source is None or source.endswith(".pyx"):
                opaque = True
                found += self._embedded_names(package, path)
        return found, opaque

    def _embedded_names(self, package: Package, path: str) -> list[str]:
        content = contents(path)
        tokens = {match.decode() for match in EMBEDDED_NAME.findall(content)}
        standard = {n for n in getattr(sys, "stdlib_module_names", ()) if not n.startswith("_")} - NEVER_GUESSED
        names = {token for token in tokens if token.split(".")[0] in standard and ("." not in token or token in _STD)}
        required = (package.distribution.requires or ()) if package.distribution is not None else ()
        for requirement in required:
            other = self.inventory.distributions.get(canonical(re.split(r"[^\w.-]", requirement, maxsplit=1)[0]))
            if other is not None and "extra ==" not in requirement:
                names |= {candidate.name for candidate in self.inventory.of(other) if candidate.name in tokens}
        if b"pyo3" in content:
            names |= {name for name in COMMON_FROM_C if name.encode() in content}
        return sorted(names)


def _is_test(module: str) -> bool:
    """Whether a module is a test of the package that it is in."""
    last = module.rpartition(".")[2]
    return last in ("test", "tests", "conftest") or last.startswith("test_")


_STD = frozenset(("collections.abc", "concurrent.futures", "importlib.metadata", "importlib.resources", "os.path"))


def opened_libraries(text: bytes) -> set[str]:
    """The names that code asks ctypes.util.find_library for, such as "pq"."""
    return {match.decode() for match in OPENS_LIBRARY.findall(text)} - DRIVERS_OF_THE_HOST


def imports_in_source(text: bytes, name: str, is_package: bool) -> list[str]:
    """The modules that a source text imports, as absolute names; ``name`` is the module's own."""
    found: list[str] = []
    for base, names, plain in IMPORT_LINE.findall(text):
        if plain:
            found += [item.split(b" as ")[0].strip().decode() for item in plain.split(b",")]
            continue
        start = base.decode()
        if start.startswith("."):
            level = len(start) - len(start.lstrip("."))
            parents = name.split(".") if is_package else name.split(".")[:-1]
            parents = parents[: len(parents) - (level - 1)]
            start = ".".join(parents + ([start.lstrip(".")] if start.lstrip(".") else []))
        found.append(start)
        for item in names.replace(b"(", b" ").split(b","):
            word = item.split(b" as ")[0].strip().decode()
            if word.isidentifier():
                found.append(start + "." + word)
    return [item for item in found if item and all(part.isidentifier() for part in item.split("."))]
