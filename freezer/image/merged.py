"""The root that an image's layers make together, and the program in it that the image starts."""

from __future__ import annotations

import posixpath
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from freezer.base import tar

RUNNABLE = (tar.Kind.FILE, tar.Kind.HARD_LINK)
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH that container engines give to an image that has none."""
MAX_LINKS = 40
"""As many as the kernel follows in one path (path_resolution(7))."""


@dataclass
class MergedRoot:
    """The entries that are left when the layers are put on one another, by name; "" is the root.

    What is directly below each directory is kept, too, whether or not a layer names the directory: removing one costs
    as much as there is in it.
    """

    entries: dict[str, tar.Member] = field(default_factory=dict)
    _below: dict[str, set[str]] = field(default_factory=dict, repr=False)

    def put(self, name: str, member: tar.Member) -> None:
        """Add an entry; unless it is a directory, it replaces an earlier entry with all below it."""
        if member.kind is not tar.Kind.DIRECTORY and name in self.entries:
            self.remove(name)
        self.entries[name] = member
        while name:
            folder = posixpath.dirname(name)
            names = self._below.setdefault(folder, set())
            if name in names:
                break
            names.add(name)
            name = folder

    def remove(self, name: str) -> None:
        """Remove an entry and all below it."""
        for known in [name, *self.below(name)]:
            self.entries.pop(known, None)
            self._below.pop(known, None)
        self._below.get(posixpath.dirname(name), set()).discard(name)

    def hide(self, folder: str, kept: Container[str]) -> None:
        """Remove the entries below a directory, but for those in ``kept``: the directory is opaque."""
        for name in list(self.below(folder)):
            if name not in kept:
                self.entries.pop(name, None)

    def below(self, folder: str) -> Iterator[str]:
        """Yield the names of all entries below a directory, and of the directories that no layer names."""
        todo = [folder]
        while todo:
            names = self._below.get(todo.pop(), ())
            yield from names
            todo += names

    def executable(self, path: str) -> Optional[tar.Member]:
        """Return the file at a path, following symbolic links inside the root; None if there is none."""
        todo, done, links = path.split("/"), list[str](), 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                del done[-1:]
            elif part not in ("", "."):
                member = self.entries.get("/".join([*done, part]))
                if member is None or member.kind is not tar.Kind.SYMLINK:
                    done.append(part)
                    continue
                links += 1
                if links > MAX_LINKS:
                    return None
                if member.target.startswith("/"):
                    done = []
                todo[:0] = member.target.split("/")
        return self.entries.get("/".join(done))


def command_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the command line that the image starts: the entrypoint, then the command."""
    words: list[Any] = []
    for key in ("Entrypoint", "Cmd"):
        value = settings.get(key)
        words += value if isinstance(value, list) else []
    return tuple(str(word) for word in words)


def find_program(name: str, settings: Mapping[str, Any], root: MergedRoot) -> Optional[tar.Member]:
    """Return the file that a command starts: at its path, or on the image's PATH."""
    places = [name]
    if "/" not in name:
        path = dict(item.partition("=")[::2] for item in map(str, settings.get("Env") or ())).get("PATH", "")
        places = [posixpath.join(place, name) for place in path.split(":") if place]
    found = (root.executable(posixpath.join(str(settings.get("WorkingDir") or "/"), place)) for place in places)
    return next((item for item in found if item is not None and item.kind in RUNNABLE), None)
