"""Linking natively: the closed bundle becomes a tree that needs no start-up work, packed behind freezer's launcher.

PyInstaller's bootloader and its archives are left out. In their place come the interpreter that the application was
built with, changed so that it starts the application (freezer/launcher/start.c), and one archive of all modules, from
which they are imported without a search (freezer/runtime/_freezer_archive.py). The tree::

    program                              the interpreter
    start.so                             the library that it needs first
    ld-linux-x86-64.so.2, libc.so.6...   the loader and the system's libraries
    modules                              the archive of modules
    lib/pythonX.Y                        what an interpreter looks for to know where it is, and its first import
    _internal                            extension modules, their libraries, and data: sys._MEIPASS
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Optional

from freezer.base import tools
from freezer.base.elf import NotElf, is_elf, read_elf
from freezer.base.errors import ToolError
from freezer.base.job import Job
from freezer.closure.close import ClosedApp
from freezer.closure.elfedit import clear_executable_stack
from freezer.closure.mend import strip
from freezer.link.launcher import starter_path
from freezer.link.modules import Package, read_package, whole, write_archive
from freezer.link.payload.pack import Record, Type, records_of
from freezer.plan.choices import CONTENTS, MANIFEST

ROOM = 4096
"""The bytes that there are for a path, with its NUL (PATH_MAX)."""
PROGRAM, STARTER, MODULES = "program", "start.so", "modules"
FIRST = "_freezer_encodings"
START = "import _freezer_native; _freezer_native.start()"


def make_tree(closed: ClosedApp, job: Job) -> list[Record]:
    """The records of the tree; what is not taken from the bundle is written below the work directory."""
    package = read_package(closed, job)
    archive = job.folder("native") / MODULES
    write_archive(archive, package, whole(package, closed.frozen.contents))
    unused = without_loaders(closed, package)
    records = [item for item in records_of(closed.frozen.tree) if item.name not in unused]
    records += [Record(Type.FILE, MODULES, source=archive), manifest(closed), *landmarks(package)]
    records += start_records(closed, package, job)
    return sorted(records, key=lambda item: (item.type is Type.LINK, _order(item), item.name))


def manifest(closed: ClosedApp) -> Record:
    """What freezer's own later checks are told."""
    missing = json.dumps({"missing_libraries": sorted({item.soname for item in closed.missing})}, sort_keys=True)
    return Record(Type.FILE, MANIFEST, data=missing.encode() + b"\n")


def landmarks(package: Package) -> list[Record]:
    """What an interpreter looks for to know where it is, and its first import."""
    python = "lib/python{}.{}".format(*package.version)
    # PEP 552: no flags, no time, no size; files without a source are not compared with one.
    first = package.magic + bytes(12) + package.read(FIRST)
    return [
        Record(Type.DIRECTORY, "lib"),
        Record(Type.DIRECTORY, python),
        Record(Type.DIRECTORY, f"{python}/lib-dynload"),
        Record(Type.FILE, f"{python}/os.pyc"),
        Record(Type.DIRECTORY, f"{python}/encodings"),
        Record(Type.FILE, f"{python}/encodings/__init__.pyc", data=first),
    ]


def _order(record: Record) -> int:
    """Directories first; what is alike together, for the compression."""
    if record.type is Type.DIRECTORY:
        return 0
    return 1 if ".so" in record.name else 2


def without_loaders(closed: ClosedApp, package: Package) -> frozenset[str]:
    """What of the bundle is PyInstaller's way to start an application, and of no use to ours: paths in the tree."""
    tree = closed.frozen.tree
    found = {closed.frozen.name, f"{CONTENTS}/base_library.zip"}
    records = records_of(tree)
    files = [item.source for item in records if item.source is not None and item.source != closed.frozen.program]
    if not any(_needs(path, package.library) for path in (closed.python, *files)):
        # The interpreter has Python built in.
        found |= {item.name for item in records if os.path.basename(item.name) == package.library}
    return frozenset(found)


def _needs(path: Path, soname: str) -> bool:
    # Few files have the name in them at all, and reading an ELF file takes milliseconds.
    if not is_elf(path) or soname.encode() not in path.read_bytes():
        return False
    try:
        return soname in read_elf(path).needed
    except NotElf:  # a damaged one, which is data
        return False


def start_records(closed: ClosedApp, package: Package, job: Job, *, place: Optional[str] = None) -> list[Record]:
    """The program of a tree, and the library that makes it start the application (see freezer/launcher/start.c).

    ``place`` is where the tree will be, if that is known; else a launcher knows. Raises ToolError for an interpreter
    that cannot be changed so.
    """
    folder = job.folder("start")
    program = folder / PROGRAM
    shutil.copyfile(closed.python, program)
    program.chmod(0o755)
    elf = read_elf(program)
    if elf.executable_stack:
        clear_executable_stack(program)
    strip(program, "--strip-all", job)
    # A text that takes up the room for a path, with its final NUL.
    loader = "/@freezer:loader@".ljust(ROOM - 1, "@")
    job.run(
        [
            tools.require(["patchelf"])["patchelf"],
            *("--set-interpreter", loader, "--add-needed", STARTER),
            "--no-default-lib",
            # The dynamic loader asks the program's DT_RPATH last, whoever needs or opens something. Where the program
            # is it takes a /proc to find out, or LD_ORIGIN_PATH, which the launcher sets. Any byte may be in that; in a
            # path that is written down in the file, "$LIB" and ":" would mean something.
            *("--force-rpath", "--set-rpath", f"{place or '$ORIGIN'}:{place or '$ORIGIN'}/{CONTENTS}"),
            program,
        ],
        what=f"have {closed.python.name} start the application",
    )
    data = bytearray(program.read_bytes())
    fixups = ((_fill(data, loader.encode(), os.fsencode(f"/{closed.interpreter}")), ROOM),)
    if b"\0__libc_start_main\0" not in data:
        raise ToolError(
            f"{closed.python} cannot start an application", why="it does not enter its C library as others do"
        )
    program.write_bytes(data)
    data = bytearray(starter_path().read_bytes())
    name = (_fill(data, b"@freezer:python@", b"/bin/python3"), ROOM)
    arguments = python_arguments(package.options)
    _fill(data, b"@freezer:arguments@", b"".join(os.fsencode(item) + b"\0" for item in arguments))
    at = _find(data, b"@freezer:start@")
    data[at : at + 16] = (b"1" if place is None else b"0").ljust(16, b"\0")
    return [
        Record(Type.EXECUTABLE, PROGRAM, source=program, fixups=fixups),
        Record(Type.EXECUTABLE, STARTER, data=bytes(data), fixups=(name,)),
    ]


def python_arguments(options: tuple[str, ...]) -> list[str]:
    """The arguments that Python is started with: isolated from the caller's environment, without site, and with the
    options that a spec file asks for (PyInstaller's "Specifying Python interpreter options")."""
    arguments = ["-I", "-S", "-B"]
    for option in options:
        word, _, value = option.partition(" ")
        if word in ("W", "X"):
            arguments += [f"-{word}", value.strip()]
        elif word in ("u", "unbuffered"):
            arguments.append("-u")
        elif word in ("v", "verbose"):
            arguments.append("-v")
        elif word in ("O", "optimize"):
            arguments.append("-O")
    return [*arguments, "-c", START]


def _find(data: bytearray, mark: bytes) -> int:
    at = data.find(mark)
    if at < 0 or data.find(mark, at + 1) >= 0:
        raise ToolError("a program is not as expected", why=f"{mark.rstrip(b'@')!r} is not in it once")
    return at


def _fill(data: bytearray, mark: bytes, text: bytes) -> int:
    """Put a text where there is room for it; returns the place."""
    at = _find(data, mark)
    if len(text) >= ROOM:
        raise ToolError("there is no room for what the application is started with", why=repr(text))
    data[at : at + ROOM] = text.ljust(ROOM, b"\0")
    return at
