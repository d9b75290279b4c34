"""A root that is put together of the parts of another one, which stays as it is.

Its parts are mounted read-only side by side on an empty file system. So what is added beside them has to exist nowhere
else, and nothing that runs in the root can change any of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Container

from freezer.base.beneath import names_in, opened_below
from freezer.base.dismantle import PLACE, reached
from freezer.base.isolation.interior import Interior
from freezer.base.isolation.mounts import MS_NODEV, MS_NOSUID, MS_RDONLY


def show(base: int, root: Interior, replaced: set[str], anew: Container[str], inside: str = "") -> None:
    """Mount the entries of the directory ``base``, a descriptor, read-only at their places in ``root``, which are
    below ``inside``.

    Entries that the caller replaces, and those at the top that every root gets ``anew``, are left out; directories that
    contain entries to be replaced are put together in the same way, one level down.
    """
    for name in names_in(base, "."):
        path = f"{inside}/{name}"
        if path in replaced or (not inside and name in anew):
            continue
        with opened_below(base, name, PLACE | os.O_NOFOLLOW) as entry:
            mode = os.fstat(entry).st_mode
            holds_some = any(item.startswith(path + "/") for item in replaced)
            if stat.S_ISLNK(mode):
                root.symlink(os.readlink("", dir_fd=entry), path)
            elif stat.S_ISDIR(mode):
                if holds_some:
                    root.folder(path)
                    show(entry, root, replaced, anew, path)
                else:
                    root.bind(reached(entry), path, MS_RDONLY | MS_NOSUID | MS_NODEV)
            elif stat.S_ISREG(mode) and not holds_some:
                root.bind(reached(entry), path, MS_RDONLY | MS_NOSUID | MS_NODEV)
