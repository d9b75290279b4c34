"""Arguments that are passed on to PyInstaller: which of them freezer sets itself, and the paths in them.

PyInstaller runs in another directory than the command line was written in, so that relative paths are made absolute.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from freezer.base.errors import UsageError

OWNED_BY_FREEZER = frozenset(
    ("--distpath", "--workpath", "--specpath", "--name", "-n", "--onefile", "-F", "--onedir", "-D", "--noconfirm", "-y")
    + ("--clean", "--upx-dir", "--contents-directory", "--runtime-tmpdir", "-h", "--help", "-v", "--version")
)
SPEC_ARGUMENTS = "--"
LISTS = frozenset(("--paths", "-p"))
PATHS = frozenset(("--additional-hooks-dir", "--runtime-hook", "--splash"))
PAIRS = frozenset(("--add-data", "--add-binary"))


def passed_on(arguments: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Return the arguments as PyInstaller gets them; relative paths are relative to ``folder``. What follows another
    ``--`` are the spec file's own arguments, which stay as they are.

    Raises UsageError for an option that freezer sets itself.
    """
    found: list[str] = []
    waiting = ""
    for place, argument in enumerate(arguments):
        if argument == SPEC_ARGUMENTS:
            return (*found, *arguments[place:])
        option, equals, value = argument.partition("=")
        if waiting:
            found.append(_anchored(waiting, argument, folder))
            waiting = ""
            continue
        if option in OWNED_BY_FREEZER:
            raise UsageError(f"{argument} cannot be passed to PyInstaller", why="freezer sets it itself")
        if option in LISTS | PATHS | PAIRS and equals:
            found.append(f"{option}={_anchored(option, value, folder)}")
        else:
            waiting = option if option in LISTS | PATHS | PAIRS else ""
            found.append(argument)
    return tuple(found)


def _anchored(option: str, value: str, folder: Path) -> str:
    if option in LISTS:
        return os.pathsep.join(str(folder / item) for item in value.split(os.pathsep))
    if option in PAIRS:
        source, colon, destination = value.rpartition(":")
        return f"{folder / source}:{destination}" if colon else value
    return str(folder / value)
