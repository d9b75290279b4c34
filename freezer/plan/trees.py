"""The files of a source tree that may decide a result, and those that building leaves there.

Only what tools are known to make is left out, and only where they make it: a package may be called build, dist or test.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from freezer.base.places import is_file, is_folder, is_link, passing_over
from freezer.base.publish import is_result
from freezer.base.shortage import raise_shortage

REPOSITORIES = frozenset((".git", ".hg", ".svn"))
CACHES = frozenset(("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".tox", ".nox", ".eggs"))
ENVIRONMENT_MARK = "pyvenv.cfg"
"""The file that makes a directory a virtual environment (PEP 405)."""
BUILD_PRODUCTS = ("lib", "lib.", "bdist.", "temp.", "scripts-")
"""What setuptools makes in a directory ``build`` at the top: the first is a whole name, the others are beginnings."""
DISTRIBUTIONS = (".whl", ".tar.gz", ".zip")


def source_folders(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a tree as ``os.walk`` does, in order, without repositories, caches, environments and build products.

    Directories that the user may not read are passed over, as nothing in the build can read them either.
    """
    start = str(top)
    for directory, folders, files in os.walk(start, onerror=raise_shortage):
        folders[:] = sorted(name for name in folders if not _left_out(directory, name, directory == start))
        if directory == os.path.join(start, "build"):
            folders[:] = [name for name in folders if not _build_product(name)]
        if directory == os.path.join(start, "dist"):
            yield directory, folders, sorted(name for name in files if not _distribution(os.path.join(directory, name)))
        else:
            yield directory, folders, sorted(files)


def _left_out(directory: str, name: str, at_top: bool) -> bool:
    if name in REPOSITORIES or name in CACHES:
        return True
    if name.endswith(".egg-info") and (at_top or os.path.exists(os.path.join(directory, name, "SOURCES.txt"))):
        return True
    return os.path.exists(os.path.join(directory, name, ENVIRONMENT_MARK))


def _build_product(name: str) -> bool:
    whole, *beginnings = BUILD_PRODUCTS
    return name == whole or name.startswith(tuple(beginnings))


def _distribution(path: str) -> bool:
    return path.endswith(DISTRIBUTIONS) or is_result(Path(path))


def signature(status: os.stat_result) -> tuple[int, int, int]:
    """Return what tells a file's content from another: its size in bytes, the time of its modification, and that of its
    inode's change, both in ns since 1970. The first time may be set to anything, and often all files are given the same
    one, so that archives are reproducible; the second one is the kernel's."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def tree_signature(path: Path) -> list[tuple[str, int, int, int]]:
    """Return names and signatures of the source files at or below ``path``."""
    if not is_folder(path):
        with passing_over():
            status = path.stat()
            return [(str(path), *signature(status))]
        return []
    entries = []
    for directory, folders, files in source_folders(path):
        # Links to directories are not walked into; where they lead is what counts.
        links = [name for name in folders if is_link(os.path.join(directory, name))]
        for name in sorted((*files, *links)):
            place = os.path.join(directory, name)
            with passing_over():
                entries.append((place, *signature(os.lstat(place))))
    return entries


def copy_sources(top: Path, target: Path) -> None:
    """Copy the source files of a tree to a new directory, with links as links."""
    import shutil

    for directory, folders, files in source_folders(top):
        place = target / Path(directory).relative_to(top)
        place.mkdir(parents=True)
        links = [name for name in folders if is_link(os.path.join(directory, name))]
        for name in (*files, *links):
            shutil.copy2(os.path.join(directory, name), place / name, follow_symlinks=False)


def repository_of(path: Path) -> Optional[Path]:
    """Return the nearest directory, from ``path`` upward, that is a git repository; None if there is none."""
    return next((folder for folder in (path, *path.parents) if os.path.lexists(folder / ".git")), None)


def repository_state(path: Path) -> list[tuple[str, int, int, int]]:
    """Return the signature of what a git repository's version is known by: its commit, branches and tags.

    ``path`` is in the repository, or a bare one itself. What is fetched does not count.
    """
    above = repository_of(path)
    top = above / ".git" if above is not None else path
    names = [top / "HEAD", top / "packed-refs"]
    for folder in ("heads", "tags"):
        # git may be removing some of them; then the next signature is another one.
        with contextlib.suppress(FileNotFoundError):
            names += sorted((top / "refs" / folder).rglob("*"))
    return [entry for name in names if is_file(name) for entry in tree_signature(name)]
