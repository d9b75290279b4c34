"""Reading ELF files, and the closure of shared libraries that a set of them needs.

``ldd`` runs the build host's loader and reports its opinion, which depends on the host's configuration, on
``LD_LIBRARY_PATH`` and on whether a dependency happens to be missing (then it reports none at all). This module reads
the files instead (System V gABI, chapter 5, "Dynamic Linking") and searches as ld.so(8) describes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from freezer.base.elf_file import (
    DT_NEEDED,
    DT_NULL,
    DT_RPATH,
    DT_RUNPATH,
    DT_SONAME,
    MAGIC,
    PF_X,
    PT_GNU_STACK,
    PT_INTERP,
    ElfFile,
    NotElf,
    Tag,
)
from freezer.base.places import is_link, passing_over, walk


@dataclass(frozen=True)
class Elf:
    """The facts about an ELF file that freezer needs.

    ``rpath`` and ``runpath`` are the raw entries between the colons; ``needed`` keeps the file's order, which is the
    loader's search order. ``next_loader`` is the text behind the interpreter's path, in the room for that path: there
    freezer's init, as an interpreter, finds the name of the dynamic loader (freezer/link/launcher/loader.c).
    """

    path: Path
    machine: str
    bits: int
    kind: str
    interpreter: Optional[str]
    next_loader: Optional[str]
    dynamic: bool
    soname: Optional[str]
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]
    executable_stack: bool
    debug_information: bool

    @property
    def is_library(self) -> bool:
        """Return whether this is a shared object that a process loads, not a program that the kernel starts."""
        return self.dynamic and self.interpreter is None and self.kind == "ET_DYN"

    def search_entries(self, origin: Path, root: Path = Path("/")) -> list[Path]:
        """Return the directories of RUNPATH, or of RPATH if there is no RUNPATH.

        ``$ORIGIN`` is replaced by ``origin``, and other entries are directories of the system at ``root``.
        """
        found = []
        for entry in filter(None, self.runpath or self.rpath):
            place = entry.replace("${ORIGIN}", str(origin)).replace("$ORIGIN", str(origin))
            if place == entry:
                place = f"{root}/{entry}"
            # Merge slashes: normpath() keeps two at the start.
            found.append(Path(os.path.normpath(re.sub("/+", "/", place))))
        return found


def is_elf(path: Path) -> bool:
    """Return whether the file starts with the ELF magic; False for unreadable and irregular files."""
    with passing_over(), _opened(path) as file:
        return file.read(len(MAGIC)) == MAGIC
    return False


def read_elf(path: Path) -> Elf:
    """Read one file.

    Raises NotElf if it is not a well-formed ELF file, OSError if it cannot be read.
    """
    with _opened(path) as stream:
        return parse_elf(stream, path)


def _opened(path: Path) -> IO[bytes]:
    # A pipe must not be waited for; reading one that has no writer returns nothing.
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def parse_elf(stream: IO[bytes], path: Path) -> Elf:
    """Read one open file, whose path is ``path``. Raises NotElf."""
    file = ElfFile(stream, path)
    interpreter, next_loader, stack = None, None, False
    for segment in file.segments():
        if segment.kind == PT_INTERP:
            interpreter = file.string(segment.offset)
            behind = segment.offset + len(os.fsencode(interpreter)) + 1
            if behind < segment.offset + segment.size:
                next_loader = file.string(behind) or None
        elif segment.kind == PT_GNU_STACK:
            stack = bool(segment.flags & PF_X)
    tags = file.tags()
    named = _named(file, tags or [])
    paths = {number: tuple(values[-1].split(":")) for number, values in named.items() if values[-1]}
    return Elf(
        path=path,
        machine=file.machine,
        bits=file.bits,
        kind=file.kind,
        interpreter=interpreter,
        next_loader=next_loader,
        dynamic=tags is not None,
        soname=named.get(DT_SONAME, [None])[-1],
        needed=tuple(named.get(DT_NEEDED, ())),
        rpath=paths.get(DT_RPATH, ()),
        runpath=paths.get(DT_RUNPATH, ()),
        executable_stack=stack,
        debug_information=file.section(".debug_info") is not None,
    )


def _named(file: ElfFile, tags: list[Tag]) -> dict[int, list[str]]:
    """The strings of those entries that have one, by the entries' numbers, in the file's order."""
    end = next((index for index, tag in enumerate(tags) if tag.number == DT_NULL), len(tags))
    wanted = [tag for tag in tags[:end] if tag.number in (DT_NEEDED, DT_SONAME, DT_RPATH, DT_RUNPATH)]
    start = file.strings(tags) if wanted else 0
    found: dict[int, list[str]] = {}
    for tag in wanted:
        found.setdefault(tag.number, []).append(file.string(start + tag.value))
    return found


def find_elves(root: Path) -> list[Elf]:
    """Return all ELF files below ``root``, sorted by path, without symbolic links and damaged files."""
    found = []
    for directory, folders, files in walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(directory, name)
            if is_link(path) or not is_elf(path):
                continue
            try:
                found.append(read_elf(path))
            except NotElf:
                continue
    return found
