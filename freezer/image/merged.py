"""The root that an image's layers make together, and the program in it that the image starts."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from freezer.base import tar

RUNNABLE = (tar.Kind.FILE, tar.Kind.HARD_LINK)
MAX_LINKS = 40
"""As many as the kernel follows in one path (path_resolution(7))."""


@dataclass
class MergedRoot:
    """The entries that are left when the layers are put on one another, by name; "" is the root."""

    entries: dict[str, tar.Member] = field(default_factory=dict)

    def put(self, name: str, member: tar.Member) -> None:
        """Add an entry; unless it is a directory, it replaces an earlier entry with all below it."""
        if member.kind is not tar.Kind.DIRECTORY and name in self.entries:
            self.remove(name)
        self.entries[name] = member

    def remove(self, name: str) -> None:
        """Remove an entry and all below it."""
        # Not every layer names the directories above its files.
        for known in [item for item in self.entries if item.startswith(name + "/")]:
            del self.entries[known]
        self.entries.pop(name, None)

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
