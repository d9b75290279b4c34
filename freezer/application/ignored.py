"""Which files git ignores, told by the .gitignore files alone (https://git-scm.com/docs/gitignore).

Git itself is not asked: it may not be there, and refuses the repositories of other users. Files that are in the
repository although a pattern has them count as ignored here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from freezer.plan.trees import repository_of

FILE = ".gitignore"


class Pattern(NamedTuple):
    """A line of such a file: what it ``matches``, below the directory ``base``; it is of a directory alone, or has
    files come back."""

    base: Path
    matches: re.Pattern[str]
    of_directory: bool
    comes_back: bool


class Ignored:
    """What is ignored at and below the directory ``top``, as the repository that it is in has it."""

    def __init__(self, top: Path) -> None:
        repository = repository_of(top)
        self._patterns: list[Pattern] = []
        self._read: set[Path] = set()
        for folder in (*reversed(top.parents), top):
            if folder == top or (repository is not None and repository in (folder, *folder.parents)):
                self.enter(folder)
        if repository is not None:
            self._take(repository / ".git" / "info" / "exclude", repository)

    def enter(self, folder: Path) -> None:
        """Read the patterns of a directory, before its files are asked for. Those above it must have been read."""
        if folder not in self._read:
            self._read.add(folder)
            self._take(folder / FILE, folder)

    def has(self, path: Path, *, directory: bool) -> bool:
        """Tell whether a file or directory is ignored; what is in an ignored directory is not asked for."""
        for pattern in reversed(self._patterns):
            if pattern.of_directory and not directory:
                continue
            if pattern.base in path.parents and pattern.matches.fullmatch(str(path.relative_to(pattern.base))):
                return not pattern.comes_back
        return False

    def _take(self, file: Path, base: Path) -> None:
        try:
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return
        self._patterns += read_patterns(text, base)


def read_patterns(text: str, base: Path) -> Iterator[Pattern]:
    """Yield the patterns of a .gitignore file in the directory ``base``."""
    for whole in text.splitlines():
        written = re.sub(r"(?<!\\)\s+$", "", whole)
        comes_back, of_directory = written.startswith("!"), written.endswith("/")
        line = written[1:].rstrip("/") if comes_back else written.rstrip("/")
        if not line or line.startswith("#"):
            continue
        anchored = "/" in line
        matches = translated(line.lstrip("/"))
        everywhere = matches if anchored else f"(?:.*/)?{matches}"
        # Git takes a pattern that makes no sense for one that matches nothing.
        with contextlib.suppress(re.error):
            yield Pattern(base, re.compile(everywhere, re.DOTALL), of_directory, comes_back)


def translated(pattern: str) -> str:
    """Return the regular expression of a pattern of git's or docker's: ``*`` and ``?`` do not match a slash, ``**/``
    any directories."""
    found, at = "", 0
    while at < len(pattern):
        rest = pattern[at:]
        bracket = re.match(r"\[([!^]?)(\]?[^\]]*)\]", rest)
        if rest.startswith("**/"):
            found, at = found + "(?:.*/)?", at + 3
        elif rest.startswith("/**") and len(rest) == 3:
            found, at = found + "/.+", at + 3
        elif rest.startswith("*"):
            stars = len(rest) - len(rest.lstrip("*"))
            found, at = found + "[^/]*", at + stars
        elif rest[0] == "?":
            found, at = found + "[^/]", at + 1
        elif bracket is not None:
            inner = bracket.group(2).replace("\\", "\\\\").replace("[", "\\[")
            found, at = found + f"[{'^' if bracket.group(1) else ''}{inner}]", at + bracket.end()
        elif rest[0] == "\\" and len(rest) > 1:
            found, at = found + re.escape(rest[1]), at + 2
        else:
            found, at = found + re.escape(rest[0]), at + 1
    return found
