"""Whether a bundle has what ``freezer learn`` has seen its application ask for.

A run shows a part of that only, and an exception of it may be caught. Here each line of the file is looked up in the
unpacked bundle.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Optional

from packaging.utils import canonicalize_name

from freezer.base.errors import VerificationError
from freezer.base.places import walk
from freezer.link.module_archives import is_archive, read_archive
from freezer.plan.choices import CONTENTS
from freezer.plan.learned import Learned

SHOWN = 12
ARCHIVE = re.compile(r"modules(\.[^/]+)?")
DESCRIPTION = re.compile(r"(?P<name>.+?)(?:-[^-]*)?\.(?:dist|egg)-info")
GROUP = re.compile(rb"^\[([^\]]+)\]", re.MULTILINE)


class Carried:
    """What a bundle in the directory ``folder`` carries: the names of ``modules``, the paths of ``files`` and the
    ``folders`` below the place of the application's files, the names of all ``libraries``."""

    def __init__(self, folder: Path) -> None:
        self.modules: set[str] = set()
        self.files: set[str] = set()
        self.libraries: set[str] = set()
        self._contents = folder / CONTENTS
        for directory, _, names in walk(folder):
            for name in names:
                path = Path(directory, name)
                self.libraries.add(name)
                if ARCHIVE.fullmatch(str(path.relative_to(folder))) and not path.is_symlink() and is_archive(path):
                    self.modules.update(module for module, _ in read_archive(path).modules)
                elif self._contents in path.parents:
                    self.files.add(str(path.relative_to(self._contents)))
        self.modules.update(filter(None, map(_module_of, self.files)))
        self.folders = {str(parent) for file in self.files for parent in Path(file).parents}
        self._described = {path.split("/", 1)[0] for path in self.files if DESCRIPTION.fullmatch(path.split("/", 1)[0])}

    def has_file(self, name: str) -> bool:
        """Tell whether there is a file of this path, or with a slash at its end a directory."""
        return name.rstrip("/") in (self.folders if name.endswith("/") else self.files)

    def has_own(self, name: str) -> bool:
        """Tell whether there is a file of the application's own: its place is below the directory that its modules are
        imported from, which the name may begin with."""
        parts = name.split("/")
        return any(self.has_file("/".join(parts[start:])) for start in range(len(parts) - name.endswith("/")))

    def distributions(self) -> set[str]:
        """Return the names of the distributions that have metadata in the bundle."""
        found = [DESCRIPTION.fullmatch(name) for name in self._described]
        return {canonicalize_name(match["name"]) for match in found if match is not None}

    def groups(self) -> set[str]:
        """Return the groups of entry points in the bundle."""
        found: set[str] = set()
        for name in self._described:
            path = self._contents / name / "entry_points.txt"
            if f"{name}/entry_points.txt" in self.files and not path.is_symlink():
                found.update(group.decode("utf-8", "replace").strip() for group in GROUP.findall(path.read_bytes()))
        return found


def _module_of(path: str) -> str:
    """Return the name of the module in a file of the bundle; "" if it is none."""
    folder, name = os.path.split(path)
    stem, _, ending = name.partition(".")
    if not ending.endswith(("so", "py")):
        return ""
    parts = [part for part in folder.split("/") if part not in ("", "lib-dynload") and not part.startswith("python3.")]
    return ".".join([*parts, stem] if stem != "__init__" else parts)


def missing_lines(learned: Learned, carried: Carried) -> Iterator[str]:
    """Yield the lines of the file that a bundle does not have, with the place that asked."""
    distributions, groups = carried.distributions(), carried.groups()
    looked_up: dict[str, Callable[[str], bool]] = {
        "modules": carried.modules.__contains__,
        "files": carried.has_own,
        "package-files": carried.has_file,
        "metadata": lambda name: canonicalize_name(name) in distributions,
        "entry-points": groups.__contains__,
        "libraries": carried.libraries.__contains__,
    }
    for table, name, place in learned.lines():
        if not looked_up[table](name):
            yield f"[{table}] {name}: {place}"


def judge_learned(learned: Learned, folder: Optional[Path], name: str) -> None:
    """Raise VerificationError if the bundle of the application ``name``, which is unpacked in ``folder``, lacks what it
    has been seen to ask for; or if it has no bundle."""
    if folder is None:
        raise VerificationError(
            f"{name} has no bundle in which to look for what {learned.path.name} names",
            hint="only what freezer or staticx has linked can be checked against that file",
        )
    total = sum(1 for _ in learned.lines())
    missing = list(missing_lines(learned, Carried(folder)))
    if missing:
        more = [f"and {len(missing) - SHOWN} more"] if len(missing) > SHOWN else []
        raise VerificationError(
            f"{name} lacks {len(missing)} of the {total} things that {learned.path.name} names",
            why="\n".join([*missing[:SHOWN], *more]),
            hint=f"build it again beside that file, or with --learned {learned.path.name}",
        )
