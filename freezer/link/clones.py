"""Copies of trees that take no room: hard links to the same files, where the file system has them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Optional

from freezer.base.places import is_link, walk
from freezer.base.publish import digest_file
from freezer.plan.trees import signature

NOTHING: Mapping[str, Sequence[str]] = {}
LINK, FILE, FOLDER = "link", "file", "folder"

Seen = dict[str, list[object]]
"""Of each file what identifies it and its content, by its path: inode, signature and digest."""


def clone_tree(source: Path, target: Path, listed: Mapping[str, Sequence[str]] = NOTHING) -> dict[str, list[str]]:
    """Make the new directory ``target`` a clone of a tree, and return what ``listed_tree`` does, or has done: files
    that are ``listed`` are not read.

    Who reads the clone must not write to its files, as they are those of the source.
    """
    found = {}
    for place, path, what in _entries(source, {}, listed):
        clone = f"{target}/{place}"
        if place:
            found[place] = what
        if what[0] == FOLDER:
            os.mkdir(os.path.normpath(clone), 0o755)
            continue
        if what[0] == LINK:
            os.symlink(what[1], clone)
            continue
        try:
            os.link(path, clone)
        except OSError:
            shutil.copy2(path, clone)
    return found


def listed_tree(tree: Path, seen: Optional[Seen] = None) -> dict[str, list[str]]:
    """Return what is in a tree, by its path: of each file a digest of the content, and the mode, of each link where it
    leads; directories before what is in them. A file that nothing has touched since it was ``seen`` is not read; the
    others are added there."""
    return {place: what for place, _, what in _entries(tree, {} if seen is None else seen) if place}


def _entries(
    tree: Path, seen: Seen, listed: Mapping[str, Sequence[str]] = NOTHING
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield what is in a tree, in the order of ``records_of``: paths in it, that of itself being empty, paths, and what
    is there."""
    # As text, and with one look at each: there may be thousands of files.
    top = os.fspath(tree)
    for directory, folders, names in walk(top):
        folders.sort()
        inside = f"{directory[len(top) :]}/"[1:]
        yield inside[:-1], directory, [FOLDER]
        links = [name for name in folders if is_link(f"{directory}/{name}")]
        for name in sorted(names + links):
            path, place = f"{directory}/{name}", inside + name
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                yield place, path, [LINK, os.readlink(path)]
            else:
                known = listed.get(place, ())
                digest = known[1] if known and known[0] == FILE else _digest(path, place, status, seen)
                yield place, path, [FILE, digest, f"{status.st_mode & 0o777:o}"]


def _digest(path: str, place: str, status: os.stat_result, seen: Seen) -> str:
    identity = [status.st_ino, *signature(status)]
    known = seen.get(place)
    if known is None or known[:-1] != identity:
        known = seen[place] = [*identity, digest_file(path)]
    return str(known[-1])
