"""Find the part of an application that a file or a module belongs to, by its name and place alone."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass

from freezer.closure.provisions import PROVISIONS

APPLICATION = "application"
PACKAGE = "python package"
STANDARD = "standard library"
LIBRARY = "library"
DATA = "data of the system"
RUNTIME = "runtime"

PURE = "pure modules"
EXTENSIONS = "extension modules"

OTHER_VERSIONS = frozenset(
    "_android_support _apple_support _bootlocale _colorize _hmac _interpchannels _interpqueues _interpreters "
    "_ios_support _opcode_metadata _py_warnings _pydatetime _pylong _pyrepl _remote_debugging _suggestions _sysconfig "
    "_tokenize _types _typing _zoneinfo _zstd aifc annotationlib asynchat asyncore audioop binhex cgi cgitb chunk "
    "compression crypt distutils formatter imghdr imp lib2to3 mailcap msilib nis nntplib ossaudiodev parser pipes "
    "smtpd sndhdr spwd string sunau symbol telnetlib tomllib uu xdrlib".split()
)
"""Modules that only some of Python 3.9 to 3.14 have: the application's Python may differ from freezer's."""

TCL = frozenset({"_tcl_data", "_tk_data", "tcl8"})
"""The directories in which PyInstaller places the data of tkinter."""

STANDARD_FOLDERS = frozenset({"distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "tkinter", "turtledemo"})
"""The packages of the standard library with data; directories like ``locale`` are the application's."""

EXTENSION_NAME = re.compile(r"(?P<module>[^./]+)(\.(cpython-[^./]+|abi3|pypy[^./]+))?\.so")
LIBRARY_NAME = re.compile(r"(?P<name>lib[^/]+?)\.so(\.[^/]*)?")
METADATA_NAME = re.compile(r"(?P<name>[^-/]+)(-[^/]*)?\.(dist-info|egg-info)|(?P<libs>[^/]+)\.libs")
LOADER_NAME = re.compile(r"ld[-.][^/]*\.so[^/]*|ld-musl-[^/]*")


def standard_modules() -> frozenset[str]:
    """Return the top-level modules of the standard library of all Pythons that freezer supports."""
    known = getattr(sys, "stdlib_module_names", None)
    if known is None:
        # Python 3.9: the modules in its directory, and those that are compiled in.
        folder = sysconfig.get_path("stdlib")
        extensions = os.path.join(folder, "lib-dynload")
        names = os.listdir(folder) + (os.listdir(extensions) if os.path.isdir(extensions) else [])
        known = {name.partition(".")[0] for name in names if name != "site-packages"} | set(sys.builtin_module_names)
    return frozenset(known) | OTHER_VERSIONS


@dataclass(frozen=True)
class Names:
    """The names that decide about groups: the program, and the top-level packages by their canonical names."""

    program: str
    packages: dict[str, str]
    standard: frozenset[str]

    def module(self, name: str) -> tuple[str, str]:
        """Return the (group, kind) of a module by its full name."""
        top = name.partition(".")[0]
        if top in ("_freezer_main_script", "_freezer_marked_script"):
            return self.program, APPLICATION
        if top.startswith(("_freezer_pyi_rth_", "pyi_rth_", "pyimod", "pyiboot", "_pyi_")):
            return "PyInstaller", RUNTIME
        if top.startswith("_freezer_"):
            return "freezer", RUNTIME
        if top in self.standard or top.startswith("_sysconfigdata"):
            return PURE, STANDARD
        return self.package(top)

    def package(self, top: str) -> tuple[str, str]:
        """Return the (group, kind) of a package; a package with the program's name is the application itself."""
        return top, APPLICATION if canonical(top) == canonical(self.program) else PACKAGE

    def file(self, path: str) -> tuple[str, str]:
        """Return the (group, kind) of a file by its path below the application's files."""
        top, slash, rest = path.partition("/")
        if not slash:
            return self.top_file(top)
        if top == "_freezer":
            place = rest.partition("/")[0]
            return {item.place.partition("/")[0]: item.name for item in PROVISIONS}.get(place, place), DATA
        if "lib-dynload/" in path:
            return EXTENSIONS, STANDARD
        metadata = METADATA_NAME.fullmatch(top)
        if metadata is not None:
            name = metadata.group("name") or metadata.group("libs")
            return self.package(self.packages.get(canonical(name), name))
        if top in TCL:
            return "tkinter", STANDARD
        if top in STANDARD_FOLDERS:
            return PURE, STANDARD
        if canonical(top) in self.packages:
            return self.package(top)
        return top, APPLICATION

    def top_file(self, name: str) -> tuple[str, str]:
        """Return the (group, kind) of a file at the top."""
        if name == "base_library.zip":
            return PURE, STANDARD
        if LOADER_NAME.fullmatch(name):
            return "dynamic loader", RUNTIME
        library = LIBRARY_NAME.fullmatch(name)
        if library is not None:
            return library.group("name"), LIBRARY
        extension = EXTENSION_NAME.fullmatch(name)
        if extension is not None:
            module = extension.group("module")
            return (EXTENSIONS, STANDARD) if module in self.standard else self.package(module)
        metadata = METADATA_NAME.fullmatch(name)
        if metadata is not None and metadata.group("name"):
            return self.package(self.packages.get(canonical(metadata.group("name")), metadata.group("name")))
        return self.program, APPLICATION


def canonical(name: str) -> str:
    """Return a distribution's or package's name in the form for comparisons (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(program: str, modules: Iterable[str], files: Iterable[str]) -> Names:
    """Distinguish packages from the application's directories with data: only packages contain modules."""
    standard = standard_modules()
    tops = {name.partition(".")[0] for name in modules}
    for path in files:
        top, slash, rest = path.partition("/")
        extension = EXTENSION_NAME.fullmatch(top)
        if slash and rest.endswith((".so", ".py", ".pyc")):
            tops.add(top)
        elif not slash and extension is not None and not LIBRARY_NAME.fullmatch(top):
            tops.add(extension.group("module"))
    return Names(program, {canonical(top): top for top in sorted(tops - standard)}, standard)
