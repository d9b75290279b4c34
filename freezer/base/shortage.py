"""What the system lacks: space, descriptors, memory, a disk that works. That is the fault of no input, and no bug.

A full disk and a limit of open files must not be taken for a damaged archive, a file that is not there, or the end of a
directory. So what reads things that may be damaged lets these errors through, and they are reported as what they are.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Optional

from freezer.base.errors import EnvironmentFailure, OutputError

FULL = frozenset((errno.ENOSPC, errno.EDQUOT))
HINTS = {
    errno.EMFILE: "raise the limit of open files: ulimit -n 1024",
    errno.ENFILE: "end some programs: all of them together have too many files open",
    errno.ENOMEM: "end some programs, or raise the limit of memory",
    errno.EIO: "look for errors of the disk: dmesg",
    errno.ESTALE: "try again: the file server has lost the file",
    errno.ENOLCK: "move the cache to a file system that has locks: XDG_CACHE_HOME",
    errno.EROFS: "move the cache to a file system that can be written: XDG_CACHE_HOME",
}
SHORTAGES = FULL | frozenset(HINTS)


def is_shortage(error: OSError) -> bool:
    """Return whether an error is one of the system, whatever was read or written."""
    return _code(error) in SHORTAGES


def _code(error: OSError) -> Optional[int]:
    if error.errno is not None:
        return error.errno
    # shutil.copytree() copies what it can, and raises one error with the texts of all.
    found = re.search(r"\[Errno (\d+)\]", str(error))
    return int(found[1]) if found else None


def full_disk(error: OSError, place: Path) -> OutputError:
    """Return the error for a disk that filled up; it names the file system that is full."""
    mount = place
    while not os.path.ismount(mount) and mount != mount.parent:
        mount = mount.parent
    return OutputError(
        f"no space left on {mount}",
        why=str(error),
        hint="free some space there; XDG_CACHE_HOME moves freezer's work to another file system",
    )


def shortage(error: OSError, place: Optional[Path] = None) -> EnvironmentFailure | OutputError:
    """Return the error for a shortage; ``place`` is the directory that was worked in, if the error names none."""
    code = _code(error) or 0
    # What is copied is read from the first, and written to the second.
    path = error.filename2 if code in FULL and error.filename2 is not None else error.filename
    named = Path(os.fsdecode(path)) if isinstance(path, (str, bytes)) else None
    if named is not None and named.is_absolute():
        place = named
    if code in FULL:
        return OutputError(f"cannot write: {os.strerror(code)}") if place is None else full_disk(error, place)
    what = f"cannot read or write {place}" if place is not None else "cannot go on"
    return EnvironmentFailure(f"{what}: {os.strerror(code)}", why=str(error), hint=HINTS.get(code))


def shortage_of(problem: Exception) -> EnvironmentFailure | OutputError | None:
    """Return the error for an exception that says what the system lacks; None for any other."""
    if isinstance(problem, MemoryError):
        return EnvironmentFailure("there is not enough memory", hint=HINTS[errno.ENOMEM])
    return shortage(problem) if isinstance(problem, OSError) and is_shortage(problem) else None


def raise_shortage(error: OSError) -> None:
    """Raise an error if it is a shortage."""
    if is_shortage(error):
        raise error
