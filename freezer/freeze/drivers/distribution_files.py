"""The files of a distribution that are no modules: what describes it, the data of its packages, what it has put below
the prefix."""

from __future__ import annotations

import os

from installed import EXTENSION_SUFFIXES, Distribution, Package, contents, module_name, names_of_files

DROPPED_METADATA = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "WHEEL"}
"""Files of a .dist-info that hold hashes of, or paths in, the build environment, or say how it was installed."""

SOURCE_SUFFIXES = (".py", ".pyc", ".pyo", ".pyi", ".pyx", ".pxd", ".pxi", ".c", ".cc", ".cpp", ".h", ".hpp", ".typed")
FOLDER_OF_PROGRAMS = "bin"
FOLDERS_IGNORED = {"lib", "lib64", "include", "Scripts"}
SHARED_FOLDERS_IGNORED = {"man", "doc", "info", "bash-completion", "fish", "zsh", "applications"}


def metadata_files(distribution: Distribution) -> list[tuple[str, str]]:
    """The files that describe a distribution, but for what says how it was installed."""
    found = []
    for name in names_of_files(distribution):
        parts = name.split("/")
        if parts[0].endswith((".dist-info", ".egg-info")) and parts[-1] not in DROPPED_METADATA:
            path = str(distribution.locate_file(name))
            if os.path.isfile(path):
                found.append((path, os.path.dirname(name)))
    return found


def shared_files(distribution: Distribution) -> list[tuple[str, str]]:
    """Files below the prefix, in share/, etc/ and others; a frozen application finds them, its sys.prefix is the
    bundle. Of bin/, the programs that need no Python: packages that are made of one look there for it (ruff, uv)."""
    found = []
    for name in names_of_files(distribution):
        parts = [part for part in name.split("/") if part != ".."]
        if not name.startswith("../") or not parts or parts[0] in FOLDERS_IGNORED:
            continue
        path = str(distribution.locate_file(name))
        if parts[0] == FOLDER_OF_PROGRAMS and not is_program(path):
            continue
        if not (parts[0] == "share" and parts[1] in SHARED_FOLDERS_IGNORED) and os.path.isfile(path):
            found.append((path, os.path.join(*parts[:-1]) if parts[:-1] else "."))
    return found


def data_files(package: Package, sources: bool = False) -> list[tuple[str, str]]:
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
        elif path.endswith(EXTENSION_SUFFIXES) and is_extension(path):
            continue
        found.append((path, os.path.join(prefix, folder) if folder else prefix))
    return found


def is_program(path: str) -> bool:
    """Whether a file is a program in machine code, and no script."""
    return contents(path)[:4] == b"\x7fELF"


def is_extension(path: str) -> bool:
    """Whether a shared library is a module of Python's: it is called like one, and can be imported as one."""
    name = os.path.basename(path)
    if module_name([name]) is None:
        return False
    stem = name.partition(".")[0]
    # A name with the version of Python's in it says so.
    return name != stem + ".so" or b"PyInit_" in contents(path)
