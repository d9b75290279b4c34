"""Detect changes of requirements and sources, without running pip.

Requirements files count by their content, with the files they include; local paths, and projects, by the names, sizes
and times of their files.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from freezer.base.errors import InputError
from freezer.plan.build import Plan


def requirements_state(plan: Plan) -> list[object]:
    """Return the content of all requirements of a plan: it differs whenever pip might install something else."""
    state: list[object] = [*(_requirements_content(path, set()) for path in (*plan.requirements, *plan.constraints))]
    for package in plan.packages:
        place = plan.folder / package.split("[")[0].removeprefix("file://")
        state.append([package, tree_signature(place) if os.sep in package and place.exists() else []])
    return state


def local_paths(plan: Plan) -> set[Path]:
    """Return the files and directories that requirements name by path, made absolute."""
    found: set[Path] = set()
    queue = [*plan.requirements, *plan.constraints]
    seen: set[Path] = set()
    texts = [(plan.folder, package) for package in plan.packages]
    while queue:
        file = queue.pop()
        if file in seen or not file.is_file():
            continue
        seen.add(file)
        for line in file.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            for option, value in _including(shlex.split(line, comments=True) if _parsable(line) else []):
                if option:
                    queue.append(file.parent / value)
                    found.add((file.parent / value).parent)
                else:
                    # Relative to the current directory for pip, to the file's directory for people.
                    texts += [(plan.folder, value), (file.parent, value)]
    for folder, text in texts:
        path = folder / text.rpartition(" @ ")[2].split("[")[0].removeprefix("file://")
        if os.sep in text and path.exists():
            found.add(Path(os.path.normpath(path)))
    return found


def _requirements_content(path: Path, seen: set[Path]) -> list[object]:
    if path in seen:
        return []
    seen.add(path)
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    content: list[object] = [text]
    for line in text.splitlines():
        words = shlex.split(line, comments=True) if _parsable(line) else []
        for option, value in _including(words):
            place = (path.parent / value).resolve()
            if option and place.is_file():
                content.append(_requirements_content(place, seen))
            elif not option and place.exists() and place not in seen:
                content.append(tree_signature(place))
    return content


def _parsable(line: str) -> bool:
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return False
    return True


def _including(words: list[str]) -> Iterator[tuple[bool, str]]:
    """Yield (includes a requirements file, path) for each path that one line of a requirements file names."""
    for index, word in enumerate(words):
        for option in ("-r", "--requirement", "-c", "--constraint"):
            if word == option and index + 1 < len(words):
                yield True, words[index + 1]
            elif word.startswith(option) and word != option and option in ("-r", "-c"):
                yield True, word[2:]
            elif word.startswith(option + "="):
                yield True, word[len(option) + 1 :]
    if words and not words[0].startswith("--"):
        path = words[1] if words[0] == "-e" and len(words) > 1 else words[0]
        if path.startswith((".", "/")) or os.sep in path:
            yield False, path.split("[")[0].removeprefix("file://")


IGNORED_FOLDERS = frozenset(
    (".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "__pycache__", "build", "dist", "node_modules")
    + (".mypy_cache", ".ruff_cache", ".pytest_cache")
)


def tree_signature(path: Path) -> list[tuple[str, int, int]]:
    """Return names, sizes (bytes) and modification times (ns) of the files at or below ``path``, without build
    products."""
    if path.is_file():
        status = path.stat()
        return [(str(path), status.st_size, status.st_mtime_ns)]
    entries = []
    for directory, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in IGNORED_FOLDERS and not name.endswith(".egg-info"))
        for name in sorted(files):
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(directory, name))
                entries.append((os.path.join(directory, name), status.st_size, status.st_mtime_ns))
    return entries
