"""Which files of the application's own ground come along as files: data, and sources that are read as data.

What may come along unasked is known before (freezer/application/ground.py). Here the code decides: data beside a source
that asks where its files are, data in the application's packages, and whatever a string names.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Optional

from own_index import OwnIndex
from parsed_source import Named

if TYPE_CHECKING:
    from entry_messages import GroundRequest

SETTINGS = (".ini", ".cfg", ".conf", ".toml", ".yaml", ".yml", ".json")
"""Files in which frameworks look for the names of modules."""
LARGEST_SETTINGS = 256 << 10
NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::[\w.]+)?")
CLIMBS = re.compile(
    rb"parent\s*\.\s*parent|parents\s*\[|dirname\(\s*(?:[\w.]*\(\s*)*(?:[\w.]*dirname)|pardir|['\"]\.\."
)
LARGE, HEAVY = "larger", "heavy"
"""How the reasons begin for which files and directories stay out by their size."""


class OwnFiles:
    """``data`` are the files that come along and ``sources`` those of them that are Python's, each with the reason;
    ``left_out`` are files that are named, or asked for with all others, and stay out, with the reason. ``place`` says
    how the code asks for the place of its files; "" if it does not."""

    def __init__(self, ground: GroundRequest, index: OwnIndex) -> None:
        self.top = ground["top"] or ""
        self.project = ground["project"] or ""
        self.wanted = ground["own"] == "all"
        self.index = index
        self.data: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.left_out: dict[str, str] = {}
        self._limited = ground["limited"]
        self._only_named = {path: reason for path, _, reason in ground["data"] if reason}
        self._by_name: dict[str, list[str]] = {}
        for path in (*self._only_named, *(path for path, _ in ground["refused"])):
            self._by_name.setdefault(os.path.basename(path), []).append(path)
        self._sizes = {path: size for path, size, _ in ground["data"]}
        self._refused = dict(ground["refused"])
        self.place = ""
        self._listing = ""
        self._read: set[str] = set()
        self._folders = {folder for path in (*self._sizes, *index.files) for folder in self._above(path)}
        self._code = frozenset(index.files)

    def shown(self, path: str) -> str:
        """A path as people are told it, which is the same wherever the project is."""
        for place in filter(None, (self.top, self.project)):
            if path.startswith(os.path.join(place, "")):
                return os.path.relpath(path, place)
        return os.path.basename(path)

    def take(self, item: Named, path: str, where: str) -> None:
        """Take what the source ``path`` names, or note that it asks for files."""
        if not self.wanted:
            return
        if item.kind == "place":
            if not self.place and (os.path.dirname(path) in self.index.roots or _climbs(path)):
                self.place = "%s at %s" % (item.text, where)
        elif item.kind == "listing":
            self._listing = self._listing or "%s at %s" % (item.text, where)
        elif item.kind == "files":
            self._take_matching(item.text, os.path.dirname(path), "matches %r at %s" % (item.text, where))
        elif item.kind == "file" and (self.place or set(item.text) & set("./")):
            for base in dict.fromkeys((os.path.dirname(path), *self.index.roots, self.top)):
                self._take_named(os.path.normpath(os.path.join(base, item.text)), "named at " + where)
            self._take_large(item.text, "named at " + where)

    def settle(self, packages: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Take what comes along by its place, in the directories ``packages`` or beside the script; yield the names
        of modules in files of settings, with the file."""
        if not self.wanted:
            return
        for name, place in packages.items():
            self._take_package(name, os.path.join(place, ""))
        if self.place and not self._limited:
            for path in self._sizes:
                if path not in self.data and path not in self._only_named:
                    self.data[path] = "beside the code, which asks for its place: " + self.place
        for path in [path for path in self.data if path not in self._read and path.endswith(SETTINGS)]:
            self._read.add(path)
            if self._sizes[path] <= LARGEST_SETTINGS:
                with open(path, "rb") as file:
                    text = file.read().decode("utf-8", "replace")
                for name in sorted({match.group() for match in NAME.finditer(text)}):
                    yield name, self.shown(path)

    def finish(self) -> None:
        """Note what stays out although the code asks for all files."""
        taken = [os.path.join(os.path.dirname(path), "") for path in self.data]
        for path, reason in self._refused.items():
            if self.data and (self.place or path.startswith(tuple(taken))):
                self.left_out.setdefault(path, reason)
        for path, reason in self._only_named.items():
            if self.place and path not in self.data and reason.startswith((LARGE, HEAVY)):
                first = path[: path.find(os.sep, len(self.top) + 1)] if reason.startswith(HEAVY) else path
                self.left_out.setdefault(first, reason)

    def placed(self, packages: Mapping[str, str]) -> list[tuple[str, str, str]]:
        """All files as (file, folder in the bundle, the reason): at the same place below the directory that the code
        is imported from."""
        roots = {os.path.join(place, ""): os.path.dirname(place) for place in packages.values()}
        found = []
        for path, why in sorted({**self.sources, **self.data}.items()):
            bases = {root for inside, root in roots.items() if path.startswith(inside)}
            if self._below_top(path):
                bases.add(self.top)
            found += [(path, os.path.relpath(os.path.dirname(path), base), why) for base in sorted(bases)]
        return found

    def _below_top(self, path: str) -> bool:
        return path.startswith(os.path.join(self.top, ""))

    def _above(self, path: str) -> Iterator[str]:
        folder = os.path.dirname(path)
        while len(folder) > len(self.top):
            yield folder
            folder = os.path.dirname(folder)

    def _take_named(self, path: str, why: str) -> None:
        """Take a file, or all files of a directory, and its sources unless they are a package's."""
        if path in self._sizes:
            self.data[path] = why
        elif path in self._code and path.endswith(".py"):
            self.sources.setdefault(path, why)
        elif path in self._refused:
            self.left_out[path] = "%s; %s" % (self._refused[path], why)
        elif path in self._folders and path not in self.index.roots:
            inside = os.path.join(path, "")
            for item in self._sizes:
                if item.startswith(inside) and not self._only_named.get(item, "").startswith(LARGE):
                    self.data.setdefault(item, why)
            if not os.path.isfile(os.path.join(path, "__init__.py")):
                for item in self._code:
                    if item.startswith(inside) and item.endswith(".py"):
                        self.sources.setdefault(item, why)

    def _take_large(self, text: str, why: str) -> None:
        """Take a file that is named by its last name alone, if that decides whether it comes along."""
        for path in self._by_name.get(text, ()):
            if path in self._refused:
                self.left_out.setdefault(path, "%s; %s" % (self._refused[path], why))
            elif path not in self.data and self.place:
                self.data[path] = why

    def _take_matching(self, pattern: str, folder: str, why: str) -> None:
        """Take the files that a pattern describes, below the top or below ``folder``."""
        if pattern.startswith("*.") or not re.search(r"\w\w", pattern):
            return
        for path in (*self._sizes, *self._code):
            name = os.path.basename(path)
            places = {os.path.relpath(path, base) for base in (self.top, folder)}
            scripts = "/" not in pattern and pattern.endswith(".py") and fnmatch.fnmatchcase(name, pattern)
            if scripts or any(fnmatch.fnmatchcase(place, pattern) for place in places):
                (self.data if path in self._sizes else self.sources).setdefault(path, why)

    def _take_package(self, name: str, inside: str) -> None:
        regular = os.path.isfile(os.path.join(inside, "__init__.py"))
        for path in self._sizes:
            if path.startswith(inside) and path not in self.data and not self._reason_in(path, inside):
                self.data[path] = "in the package %s" % name
        for path in self._code:
            if not path.startswith(inside) or path in self.sources or not path.endswith(".py"):
                continue
            # Outside any package they are read, not imported.
            if regular and not os.path.isfile(os.path.join(os.path.dirname(path), "__init__.py")):
                self.sources[path] = "in the package %s, but no module of it" % name
            elif self._listing:
                self.sources[path] = "directories are listed: " + self._listing
            elif not regular and self.place:
                # A mere directory: its files may be imported, or read by their places, as alembic does.
                self.sources[path] = "in the directory %s, which is no regular package" % name

    def _reason_in(self, path: str, inside: str) -> Optional[str]:
        """Why a file of a package stays out unless it is named."""
        reason = self._only_named.get(path, "")
        return reason if reason.startswith(LARGE) else None


def _climbs(path: str) -> bool:
    """Whether a source of a package speaks of directories above its own."""
    with open(path, "rb") as file:
        return bool(CLIMBS.search(file.read()))
