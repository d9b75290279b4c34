"""Outputs that are written in place, as they are not files: pipes, character devices, and the process's descriptors.

A name such as ``/dev/stdout`` means a descriptor, whatever that is: a file renamed onto it would take its place for the
whole system. What the user has in one, such as a key from a program, is read from it, too.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import IO, Optional

STANDARD_OUTPUT = Path("/dev/stdout")
"""What ``-`` stands for."""
DESCRIPTOR = re.compile(r"/dev/(?:(stdin|stdout|stderr)|fd/([0-9]+))|/proc/(?:self|thread-self|[0-9]+)/fd/([0-9]+)")
STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}


def output_path(text: str, folder: Path) -> Path:
    """Return the absolute path of an output as the user gave it; ``-`` is standard output."""
    return STANDARD_OUTPUT if text == "-" else Path(os.path.abspath(folder / text))


def descriptor_of(path: Path) -> Optional[int]:
    """Return the number of the process's own descriptor that a path means; None if it means none."""
    match = DESCRIPTOR.fullmatch(str(path))
    if match is None:
        return None
    return STANDARD[match[1]] if match[1] else int(match[2] or match[3])


def is_stream(path: Path) -> bool:
    """Tell whether a path is written to in place: a descriptor, a FIFO or a character device."""
    if descriptor_of(path) is not None:
        return True
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def open_stream(path: Path) -> IO[bytes]:
    """Open a stream for writing; a FIFO waits for its reader. Raises OSError."""
    number = descriptor_of(path)
    if number is not None:
        return open(os.dup(number), "wb")
    return open(os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY), "wb")


def is_terminal(path: Path) -> bool:
    """Tell whether a stream ends at a terminal."""
    number = descriptor_of(path)
    try:
        if number is not None:
            return os.isatty(number)
        if not stat.S_ISCHR(os.lstat(path).st_mode):
            return False
        with open_stream(path) as stream:
            return stream.isatty()
    except OSError:
        return False


def read_small(path: Path, limit: int) -> tuple[bytes, int]:
    """Return the first bytes of a file that the user names, one more than ``limit`` at most, and its mode.

    It is a regular file, or a descriptor, as ``<(command)`` of a shell is. Raises OSError for anything else: opening a
    FIFO by its name would wait for its writer.
    """
    number = descriptor_of(path)
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    with open(os.dup(number) if number is not None else os.open(path, flags), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if number is None and not stat.S_ISREG(mode):
            code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(code, os.strerror(code) if stat.S_ISDIR(mode) else "it is not a regular file", str(path))
        return file.read(limit + 1), mode
