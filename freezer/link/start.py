"""The program and library that start the application in a tree: the interpreter that it was built with, and start.so.

The program is the interpreter itself, not a program of freezer's that loads libpython: many interpreters have Python
built in, and are a tenth faster than their shared library. The dynamic loader finds ``start.so``
(freezer/link/launcher/start.c) before the C library; it enters Python with the application's arguments. Both need the
tree's path, which depends on the container: freezer's launcher fills it in when unpacking; in an image it is known when
building; staticx's start-up code fills it into a program that staticx has prepared.

A tree without a launcher in front of it also has the init, which the first process of a container becomes
(freezer/link/launcher/init.c). In an image it is in front of the dynamic loader, as a fork of the process before any
library is in it takes a fifth of a millisecond, and one millisecond afterwards.
"""

from __future__ import annotations

import enum
import os
import shutil
from collections.abc import Iterable, Sequence
from typing import Optional

from freezer.base import tools
from freezer.base.elf import read_elf
from freezer.base.errors import EnvironmentFailure, ToolError
from freezer.base.job import Job
from freezer.closure.close import ClosedApp
from freezer.closure.elfedit import clear_executable_stack
from freezer.closure.mend import strip
from freezer.link.launcher import init_path, saver_path, starter_path
from freezer.link.modules import Package
from freezer.link.payload.pack import Record, Type
from freezer.plan.choices import CONTENTS

ROOM = 4096
"""The bytes reserved for a path, with its NUL (PATH_MAX)."""
PROGRAM, STARTER, INIT = "program", "start.so", "freezer-init"
SAVER, SNAPSHOT_KEY = "save.so", "snapshot.key"
"""What a tree has if it may be started by memory snapshots: the library that makes them, and what they depend on."""
INTERPRETER = "bin/python3"
"""The program's name as an interpreter, by which the application's own processes start it."""
MODULES = "modules"
"""The archive of modules, which Python is given to run; see freezer/freeze/runtime/_freezer_runner.py."""
SIMPLE_OPTIONS = frozenset("BObduv")
"""Python's options without a value, each a letter, that an application can have."""
HASH_SEED = "hash_seed="
LOADER = "/@freezer:loader@".ljust(ROOM - 1, "@")
"""A text that fills the room for a path, except for the final NUL."""
STARTED_IN_THE_TREE = ("--set-interpreter", LOADER, "--no-default-lib")
"""What patchelf does to a program that the tree's loader starts."""


class Container(enum.Enum):
    """What contains the tree; the values are those that ``start.so`` knows."""

    LAUNCHER = b"1"
    STATICX = b"2"
    LAYERS = b"0"


def start_records(
    closed: ClosedApp, package: Package, container: Container, job: Job, *, init: bool, place: Optional[str] = None
) -> list[Record]:
    """Return the program of a tree, its ``start.so``, and with ``init`` the init, unless the launcher has it. In
    layers, ``place`` is the tree's path.

    Raises ToolError for an interpreter that cannot be changed in this way.
    """
    with_init = init and container is not Container.LAUNCHER
    folder = job.folder(f"start-{container.name.lower()}")
    program = folder / PROGRAM
    shutil.copyfile(closed.python, program)
    program.chmod(0o755)
    if read_elf(program).executable_stack:
        clear_executable_stack(program)
    strip([program], "--strip-all", job)
    for options in _changes(container, place):
        job.run(
            [tools.require(["patchelf"])["patchelf"], *options, program],
            what=f"have {closed.python.name} start the application",
        )
    data = bytearray(program.read_bytes())
    if b"\0__libc_start_main\0" not in data:
        raise ToolError(
            f"{closed.python} cannot start an application", why="it does not call __libc_start_main of its C library"
        )
    fixups: tuple[tuple[int, int], ...] = ()
    if container is not Container.STATICX:
        loader = f"/{closed.interpreter}"
        if with_init:
            loader = f"/{INIT}\0{closed.interpreter}"  # freezer/link/launcher/loader.c
        fixups = ((fill(data, LOADER.encode(), os.fsencode(loader)), ROOM),)
        program.write_bytes(data)
    return [
        Record(Type.EXECUTABLE, PROGRAM, source=program, fixups=fixups),
        starter(
            container,
            python_arguments(package),
            init=with_init and container is Container.STATICX,
            charsets=closed.has_charsets,
        ),
        *([Record(Type.EXECUTABLE, INIT, source=init_path())] if with_init else []),
    ]


def snapshot_records(key: Optional[bytes]) -> list[Record]:
    """Return what a tree gets that may be started from memory snapshots; nothing without their key."""
    if key is None:
        return []
    return [
        Record(Type.FILE, SNAPSHOT_KEY, data=key),
        Record(Type.EXECUTABLE, SAVER, data=saver_path().read_bytes()),
    ]


def can_have_init(wanted: bool, job: Job) -> bool:
    """Return whether a tree gets the init: if it is wanted, and could be compiled when freezer was installed. Warn if
    it could not."""
    if wanted:
        try:
            init_path()
        except EnvironmentFailure as error:
            job.log.warning(f"the application will have no init as process 1: {error.why}")
            return False
    return wanted


def starter(container: Container, arguments: Iterable[str], *, init: bool = False, charsets: bool = False) -> Record:
    """Return ``start.so`` for a container, with Python's arguments; with ``init`` it makes an init of the process that
    staticx's start-up code starts as process 1, with ``charsets`` it has the C library find the tree's modules for
    them. Raises EnvironmentFailure if there is none."""
    data = bytearray(starter_path().read_bytes())
    name = (fill(data, b"@freezer:python@", f"/{INTERPRETER}".encode()), ROOM)
    fill(data, b"@freezer:arguments@", b"".join(os.fsencode(item) + b"\0" for item in arguments))
    at = _find(data, b"@freezer:start@")
    data[at : at + 16] = (container.value + b"i" * init + b"c" * charsets).ljust(16, b"\0")
    # With staticx's start-up code, start.so finds the tree itself.
    return Record(Type.EXECUTABLE, STARTER, data=bytes(data), fixups=() if container is Container.STATICX else (name,))


def _changes(container: Container, place: Optional[str]) -> list[list[str]]:
    """Return what patchelf changes in the interpreter, a call each.

    Not all in one: patchelf 0.11, which patchelf-wrapper builds, then writes a library's name over the search path.
    """
    needed = ["--add-needed", STARTER]
    if container is Container.STATICX:
        # staticx runs patchelf for the other changes.
        return [needed]
    places = [
        *STARTED_IN_THE_TREE,
        # The dynamic loader searches the program's DT_RPATH last, for every file that needs or opens a library. It
        # needs /proc to find the program's place, or LD_ORIGIN_PATH, which the launcher sets. That may contain any
        # byte; in a path that is written into the file, "$LIB" and ":" would have a meaning.
        *("--force-rpath", "--set-rpath", f"{place or '$ORIGIN'}:{place or '$ORIGIN'}/{CONTENTS}"),
    ]
    return [places, needed]


def python_arguments(package: Package) -> list[str]:
    """Return the arguments of Python: the application's options, as PyInstaller writes them in spec files ("Specifying
    Python interpreter options"), and the archive to run.

    Python is not told to ignore its variables: ``start.so`` hides those that choose code. It runs an archive rather
    than a command, for which it would search modules in the current directory.
    """
    arguments = []
    for option in package.options:
        word, _, value = option.partition(" ")
        word = {"unbuffered": "u", "verbose": "v", "optimize": "O"}.get(word, word)
        if word in ("W", "X"):
            arguments.append(f"-{word}{value.strip()}")
        elif word in SIMPLE_OPTIONS:
            arguments.append(f"-{word}")
        elif word.startswith(HASH_SEED):
            # Python has no such option, but PyInstaller's spec files do; start.so has the variable's value.
            arguments.append(f"PYTHONHASHSEED={word[len(HASH_SEED) :]}")
    return [*arguments, f"/{MODULES}"]


def library(package: Package) -> str:
    """Return the directory of the standard library, as the path that it has in the tree."""
    return "/lib/python{}.{}".format(*package.version)


def _find(data: bytearray, mark: bytes) -> int:
    at = data.find(mark)
    if at < 0 or data.find(mark, at + 1) >= 0:
        raise ToolError(
            "the program or start.so cannot be filled in",
            why=f"{mark.rstrip(b'@')!r} does not occur exactly once in it",
        )
    return at


def fill(data: bytearray, mark: bytes, text: bytes) -> int:
    """Put a text over the mark that reserves its room; return the place."""
    at = _find(data, mark)
    if len(text) >= ROOM:
        raise ToolError(f"a path or the arguments of Python need more than {ROOM} bytes", why=repr(text))
    data[at : at + ROOM] = text.ljust(ROOM, b"\0")
    return at


def search_links(records: Sequence[Record]) -> list[Record]:
    """Return links at the top of the tree to the libraries in ``_internal``: the search path that staticx's start-up
    program fills in has no directory but the top."""
    names = {item.name for item in records}
    found = []
    for item in records:
        folder, _, name = item.name.rpartition("/")
        if folder == CONTENTS and ".so" in name and item.type is not Type.DIRECTORY and name not in names:
            found.append(Record(Type.LINK, name, data=os.fsencode(item.name)))
    return found
