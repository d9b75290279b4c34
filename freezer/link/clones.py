"""Copies of trees that take no room: hard links to the same files, where the file system has them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from freezer.base.places import is_link, walk
from freezer.base.publish import digest_file

LINK, FILE = "link", "file"


def clone_tree(source: Path, target: Path, replaced: Optional[Mapping[str, str]] = None) -> dict[str, list[str]]:
    """Make the new directory ``target`` a clone of a tree, and return for each file and link what it is, by its path:
    a digest of the content, and the mode, or where the link leads.

    The files ``replaced``, given by their paths, are copies of others instead, and are not returned. What reads the
    clone must not write to its files, as they are those of the source.
    """
    found: dict[str, list[str]] = {}
    # As text, and with one look at each: there may be thousands of files.
    top, copy = os.fspath(source), os.fspath(target)
    for directory, folders, names in walk(top):
        inside = directory[len(top) :]
        os.mkdir(copy + inside, 0o755)
        links = [name for name in folders if is_link(os.path.join(directory, name))]
        for name in (*names, *links):
            path, clone = f"{directory}/{name}", f"{copy}{inside}/{name}"
            place = f"{inside}/{name}"[1:]
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                found[place] = [LINK, os.readlink(path)]
                os.symlink(os.readlink(path), clone)
                continue
            mode = status.st_mode & 0o777
            if replaced and place in replaced:
                shutil.copyfile(replaced[place], clone)
                os.chmod(clone, mode)
                continue
            found[place] = [FILE, digest_file(path), f"{mode:o}"]
            try:
                os.link(path, clone)
            except OSError:
                shutil.copy2(path, clone)
    return found
