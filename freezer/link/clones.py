"""Copies of trees that take no room: hard links to the same files, where the file system has them."""

from __future__ import annotations

import os
import shutil
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
    for directory, folders, names in walk(source):
        inside = os.path.relpath(directory, source)
        os.mkdir(os.path.normpath(target / inside), 0o755)
        links = [name for name in folders if is_link(os.path.join(directory, name))]
        for name in (*names, *links):
            place = os.path.normpath(os.path.join(inside, name))
            path, clone = os.path.join(directory, name), os.path.join(target, place)
            if is_link(path):
                found[place] = [LINK, os.readlink(path)]
                os.symlink(os.readlink(path), clone)
                continue
            mode = os.stat(path).st_mode & 0o777
            if replaced and place in replaced:
                shutil.copyfile(replaced[place], clone)
                os.chmod(clone, mode)
                continue
            found[place] = [FILE, digest_file(Path(path)), f"{mode:o}"]
            try:
                os.link(path, clone)
            except OSError:
                shutil.copy2(path, clone)
    return found
