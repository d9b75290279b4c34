"""Looking at places of the file system that may not exist, or be something else than they should.

The functions of ``os.path`` take every error for "there is nothing", and those of ``pathlib`` raise some, such as that
of a name that is too long. Here what cannot exist or may not be read is not there, and a shortage is raised as what it
is: or a file would silently be missing from a copy, a check or a list.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import NoReturn, Union

from freezer.base.shortage import raise_shortage

Place = Union[str, "os.PathLike[str]"]


@contextlib.contextmanager
def passing_over() -> Iterator[None]:
    """Pass over what is not there or may not be read; raise shortages."""
    try:
        yield
    except OSError as error:
        raise_shortage(error)


def _type(place: Place, look: Callable[[Place], os.stat_result]) -> int:
    """Return the type of the file at a place, S_IFREG or another (inode(7)); 0 if there is none."""
    try:
        return stat.S_IFMT(look(place).st_mode)
    except OSError as error:
        raise_shortage(error)
    except ValueError:
        pass  # a name with a null byte, or one that cannot be encoded, is no name of a file
    return 0


def exists(place: Place) -> bool:
    """Return whether there is something; links are followed."""
    return _type(place, os.stat) != 0


def is_file(place: Place) -> bool:
    """Return whether there is a regular file; links are followed."""
    return _type(place, os.stat) == stat.S_IFREG


def is_folder(place: Place) -> bool:
    """Return whether there is a directory; links are followed."""
    return _type(place, os.stat) == stat.S_IFDIR


def is_link(place: Place) -> bool:
    """Return whether there is a symbolic link, wherever it leads."""
    return _type(place, os.lstat) == stat.S_IFLNK


def is_text(name: str) -> bool:
    """Return whether a name can be written to a file of text: what is not UTF-8 cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def walk(top: Place) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a tree as ``os.walk`` does, but raise OSError for a directory that cannot be read.

    ``os.walk`` passes over it: what is below would silently be missing from a copy, a check or a list.
    """
    return os.walk(os.fspath(top), onerror=_fail)


def _fail(error: OSError) -> NoReturn:
    raise error
