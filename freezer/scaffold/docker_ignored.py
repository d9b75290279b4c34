"""What .dockerignore keeps out of an image, as patterns for ``exclude-data``.

The two languages differ: docker's ``*`` stops at a slash, and ``!`` takes back; the patterns of freezer match names at
any depth, and none takes back. So a pattern is taken over only if it means the same for the files that are there, and
otherwise the files that it is about are named. (https://docs.docker.com/build/concepts/context/#dockerignore-files)
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from freezer.application.ignored import translated
from freezer.application.never_taken import TOOL_FOLDERS, is_for_tools, is_left_over, is_secret_name

FILE = ".dockerignore"
NEVER = TOOL_FOLDERS | {"__pycache__", "venv", "env", "dist", "build", "test", "tests"}
"""Directories that builds rarely take along."""


class Line(NamedTuple):
    """A pattern of the file: as it is ``written``, what it ``matches``, and whether it takes back."""

    written: str
    matches: re.Pattern[str]
    comes_back: bool


def read_lines(text: str) -> Iterator[Line]:
    """Yield the patterns of a .dockerignore file."""
    for whole in text.splitlines():
        written = whole.strip()
        if not written or written.startswith("#"):
            continue
        comes_back = written.startswith("!")
        pattern = posixpath.normpath(written[comes_back:].strip()).lstrip("/")
        if pattern in ("", "."):
            continue
        try:
            matches = re.compile(".+" if pattern == "**" else translated(pattern), re.DOTALL)
        except re.error:
            # Docker refuses such a file.
            continue
        yield Line(pattern, matches, comes_back)


def exclusions(text: str, data: Collection[str], others: Collection[str]) -> tuple[str, ...]:
    """Return the patterns that keep out of ``data`` what the text of a .dockerignore file does. ``data`` and ``others``
    are the application's files, by their paths below the file's directory; ``others`` stay whatever it says."""
    lines = list(read_lines(text))
    gone = {path for path in data if _is_ignored(path, lines)}
    kept = {*data, *others} - gone
    found: list[str] = []
    for line in lines:
        about = [path for path in sorted(gone) if _matches(line, path)]
        if line.comes_back or (not about and _is_needless(line.written)):
            continue
        patterns = _patterns(line.written)
        if any(_excludes(pattern, path) for pattern in patterns for path in kept):
            patterns = _named(about, kept)
        found += [pattern for pattern in patterns if pattern not in found]
    return tuple(found)


def _patterns(written: str) -> Sequence[str]:
    """Return the patterns of freezer that are nearest to one of docker's."""
    first, *rest = _spelled(written).removesuffix("/**").split("**/")
    found = [first]
    for part in rest:
        between = ("*/",) if part.startswith("*") else ("", "*/")
        # A star matches slashes, too: so one in front of another is one too many.
        found = [start + (part if part.startswith("*") else step + part) for start in found for step in between]
    return found


def _spelled(written: str) -> str:
    """Return a pattern as fnmatch spells it: ``[!a]`` for ``[^a]``, and ``[*]`` for an escaped star."""
    plain = re.sub(r"\\(.)", lambda match: f"[{match[1]}]" if match[1] in "*?[" else match[1], written)
    return plain.replace("[^", "[!")


def _named(gone: Sequence[str], kept: Collection[str]) -> Sequence[str]:
    """Return files by their names, and directories in place of all files in them."""
    found: list[str] = []
    for path in gone:
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        whole = next(place for place in above if not any(other.startswith(f"{place}/") for other in kept))
        name = re.sub(r"([*?[])", r"[\1]", whole)
        if name not in found:
            found.append(name)
    return found


def _is_ignored(path: str, lines: Sequence[Line]) -> bool:
    """Tell whether docker leaves a file out: the last pattern that matches it decides."""
    return next((not line.comes_back for line in reversed(lines) if _matches(line, path)), False)


def _matches(line: Line, path: str) -> bool:
    return any(line.matches.fullmatch(place) for place in _places(path))


def _excludes(pattern: str, path: str) -> bool:
    """Tell whether a pattern of freezer leaves a file out."""
    return any(fnmatchcase(place, pattern) for place in _places(path))


def _places(path: str) -> Iterator[str]:
    while path:
        yield path
        path = os.path.dirname(path)


def _is_needless(written: str) -> bool:
    """Tell whether a pattern, by its name, is about what no build takes along anyway."""
    name = written.removeprefix("**/").removesuffix("/**").removesuffix("/*")
    if "/" in name:
        return False
    plain = name.replace("*", "x")
    return name.startswith(".") or name in NEVER or is_for_tools(plain) or is_left_over(plain) or is_secret_name(plain)
