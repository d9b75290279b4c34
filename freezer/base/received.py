"""What programs of another system have written to the work directory, checked before the host relies on it.

They can put links, pipes and whatever else there that their user can make. What they hand over is used only if it is
where it is said to be, and a tree only if all of it is.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from freezer.base.beneath import names_in, opened_below, opened_plain
from freezer.base.dismantle import PLACE
from freezer.base.errors import EnvironmentFailure
from freezer.base.shortage import raise_shortage

MAX_DEPTH = 100
"""Levels of directories, each of which is open while those below it are looked at."""


def check_file(path: Path, work: Path) -> None:
    """Refuse what is not a regular file below ``work``, reached without a link. Raises EnvironmentFailure."""
    _check(path, work, stat.S_IFREG)


def check_folder(path: Path, work: Path) -> None:
    """Refuse what is not a directory below ``work``, reached without a link. Raises EnvironmentFailure."""
    _check(path, work, stat.S_IFDIR)


def check_tree(path: Path, work: Path) -> None:
    """Refuse a directory unless only directories, regular files, and links that stay in it are below it.

    Raises EnvironmentFailure.
    """
    check_folder(path, work)
    with opened_plain(str(path), "") as top:
        _check_below(top, path, ())


def _check(path: Path, work: Path, kind: int) -> None:
    if work not in path.parents or ".." in path.parts:
        raise _refusal(path, "it is not in the work directory")
    try:
        with opened_plain(str(work), str(path.relative_to(work))) as found:
            if stat.S_IFMT(os.fstat(found).st_mode) != kind:
                raise _refusal(path, "it is of another type")
    except OSError as error:
        raise_shortage(error)
        raise _refusal(path, error.strerror or str(error)) from error


def _check_below(folder: int, path: Path, parents: tuple[str, ...]) -> None:
    if len(parents) > MAX_DEPTH:
        raise _refusal(path, f"it has more than {MAX_DEPTH} levels of directories")
    for name in names_in(folder, "."):
        with opened_below(folder, name, PLACE | os.O_NOFOLLOW) as entry:
            mode = os.fstat(entry).st_mode
            if stat.S_ISDIR(mode):
                _check_below(entry, path / name, (*parents, name))
            elif stat.S_ISLNK(mode):
                if not _stays(os.readlink("", dir_fd=entry), len(parents)):
                    raise _refusal(path / name, "it is a link that leads out of the application")
            elif not stat.S_ISREG(mode):
                raise _refusal(path / name, "it is of another type")


def _stays(target: str, depth: int) -> bool:
    """Return whether the link of a directory that is ``depth`` levels deep stays in the tree, as all others do."""
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    return not target.startswith("/") and up <= depth and ".." not in parts[up:]


def _refusal(path: Path, why: str) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"cannot use {path}", why=why, hint="programs of the system to build in have made it; build in another one"
    )
