"""The closure of shared libraries that a set of ELF files needs.

``ldd`` runs the build host's loader, whose result depends on the host's configuration, on
``LD_LIBRARY_PATH`` and on whether a dependency happens to be missing (then it reports none at all). So the files
themselves are read, and searched for as ld.so(8) describes.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.base.elf import Elf, read_elf
from freezer.base.elf_file import NotElf
from freezer.system.rooted import within


@dataclass(frozen=True)
class Missing:
    """A library that was not found, and the file that needs it."""

    soname: str
    needed_by: Path


@dataclass(frozen=True)
class Closure:
    """The libraries to copy: ``libraries`` maps each soname to its file, ``missing`` are those that were not found."""

    libraries: dict[str, Path]
    missing: tuple[Missing, ...]
    foreign: tuple[Missing, ...]


def closure(
    roots: Iterable[Elf],
    *,
    bundled: dict[str, Path],
    directories: list[Path],
    root: Path = Path("/"),
    origins: Optional[dict[Path, Path]] = None,
    extra: Iterable[str] = (),
) -> Closure:
    """Return the libraries outside the bundle that ``roots`` need, directly or through one another.

    ``root`` is the system that they are searched in. ``bundled`` maps sonames and file names already in the bundle to
    their files. ``origins`` tells for a file in the bundle the directory that it was collected from, where its
    ``$ORIGIN`` entries pointed. ``extra`` are sonames that nothing names but that are opened at run time (libgcc_s, NSS
    services); they are left out where absent.
    """
    libraries: dict[str, Path] = {}
    missing: dict[str, Missing] = {}
    foreign: dict[str, Missing] = {}
    queue = list(roots)
    machine = (queue[0].machine, queue[0].bits) if queue else ("", 0)

    def find(soname: str, places: Iterable[Path], asked_by: Path) -> Optional[Elf]:
        for place in places:
            try:
                file = _real(root, place / soname)
                if not file.is_file():
                    continue
                # Known by where it was found, which is what $ORIGIN means to the loader.
                elf = dataclasses.replace(read_elf(file), path=place / soname)
            except (NotElf, OSError):
                continue
            if (elf.machine, elf.bits) == machine:
                return elf
            foreign[soname] = Missing(soname, asked_by)
        return None

    for soname in extra:
        elf = None if soname in bundled else find(soname, directories, Path())
        if elf is not None:
            libraries[soname] = _real(root, elf.path)
            queue.append(elf)
    while queue:
        elf = queue.pop(0)
        origin = (origins or {}).get(elf.path, elf.path.parent)
        for soname in elf.needed:
            name = os.path.basename(soname)
            if name in bundled or name in libraries or name in missing:
                continue
            places = [root / soname.lstrip("/")] if soname.startswith("/") else []
            places = [place.parent for place in places] + elf.search_entries(origin, root)
            found = find(name, [*places, *directories], elf.path)
            if found is None:
                missing[name] = Missing(name, elf.path)
            else:
                libraries[name] = _real(root, found.path)
                queue.append(found)
    return Closure(libraries, tuple(missing.values()), tuple(item for name, item in foreign.items() if name in missing))


def _real(root: Path, path: Path) -> Path:
    """Return the real path of a file, in the system at ``root`` or in a directory that is mounted into it."""
    return within(root, path) if root in path.parents else path.resolve()
