"""The standard input of a process that is to be started: whether a program may come from there."""

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Union

    File = Union[int, str, bytes, os.PathLike[str], os.PathLike[bytes]]

NONE = -1
"""Stands for no descriptor, as in subprocess."""


def input_of(actions: "Iterable[Sequence[Any]]") -> "File":
    """Return the file or descriptor that file actions of posix_spawn make standard input of; NONE if they do not."""
    found: File = NONE
    for action in actions:
        if action[0] == os.POSIX_SPAWN_DUP2 and action[2] == 0:
            found = action[1]
        elif action[0] == os.POSIX_SPAWN_OPEN and action[1] == 0:
            found = action[2]
    return found


def is_stream(file: "File") -> bool:
    """Return whether standard input was made for a process: a pipe, a socket or a file, and not what this process
    has."""
    if file == NONE:
        return False
    try:
        mode = os.stat(file).st_mode
    except OSError:
        # The call itself says what is wrong.
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)


def gives_stream(options: "dict[str, Any]") -> bool:
    """Whether the options of posix_spawn, which subprocess calls nearly always from Python 3.13 on, give a process a
    standard input that was made for it."""
    options["file_actions"] = actions = list(options["file_actions"] or ())
    return is_stream(input_of(actions))
