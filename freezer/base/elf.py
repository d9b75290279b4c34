"""Reading ELF files, and the closure of shared libraries that a set of them needs.

``ldd`` runs the build host's loader and reports its opinion, which depends on the host's configuration, on
``LD_LIBRARY_PATH`` and on whether a dependency happens to be missing (then it reports none at all). This module reads
the files instead (System V gABI, chapter 5, "Dynamic Linking") and searches as ld.so(8) describes.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional, cast

from freezer.base.places import is_link, passing_over, walk
from freezer.base.shortage import raise_shortage

ELF_MAGIC = b"\x7fELF"
PT_GNU_STACK = 0x6474E551
PF_X = 1

DAMAGE = (ValueError, LookupError, AttributeError, ArithmeticError, struct.error, OSError, MemoryError)
"""The exceptions that reading a damaged file may raise: pyelftools trusts the offsets and sizes in the file, and the
system refuses to seek there."""


class NotElf(ValueError):
    """The file is not an ELF file, or is damaged."""


@dataclass(frozen=True)
class Elf:
    """The facts about an ELF file that freezer needs.

    ``rpath`` and ``runpath`` are the raw entries between the colons; ``needed`` keeps the file's order, which is the
    loader's search order.
    """

    path: Path
    machine: str
    bits: int
    kind: str
    interpreter: Optional[str]
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
        return file.read(len(ELF_MAGIC)) == ELF_MAGIC
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


@contextlib.contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Raise NotElf for what reading a damaged file may raise."""
    from elftools.common.exceptions import ELFError

    try:
        yield
    except (*DAMAGE, ELFError) as error:
        cause: Optional[BaseException] = error
        while cause is not None:  # pyelftools wraps what a file raises
            if isinstance(cause, OSError):
                raise_shortage(cause)
            cause = cause.__context__
        raise NotElf(f"{path} is a damaged ELF file: {error}") from error


def parse_elf(stream: IO[bytes], path: Path) -> Elf:
    """Read one open file, whose path is ``path``. Raises NotElf."""
    from elftools.elf.elffile import ELFFile

    if stream.read(len(ELF_MAGIC)) != ELF_MAGIC:
        raise NotElf(f"{path} is not an ELF file")
    with damage_named(path):
        file = ELFFile(stream)
        interpreter, dynamic, stack = None, False, False
        soname, needed, rpath, runpath = None, [], "", ""
        for segment in cast("Iterator[Any]", file.iter_segments()):
            kind = segment["p_type"]
            if kind == "PT_INTERP":
                interpreter = segment.get_interp_name()
            elif kind == "PT_GNU_STACK":
                stack = bool(segment["p_flags"] & PF_X)
            elif kind == "PT_DYNAMIC":
                dynamic = True
                for tag in segment.iter_tags():
                    name = tag.entry.d_tag
                    if name == "DT_NEEDED":
                        needed.append(tag.needed)
                    elif name == "DT_SONAME":
                        soname = tag.soname
                    elif name == "DT_RPATH":
                        rpath = tag.rpath
                    elif name == "DT_RUNPATH":
                        runpath = tag.runpath
        return Elf(
            path=path,
            machine=str(file["e_machine"]),
            bits=file.elfclass,
            kind=str(file["e_type"]),
            interpreter=interpreter,
            dynamic=dynamic,
            soname=soname,
            needed=tuple(needed),
            rpath=tuple(rpath.split(":")) if rpath else (),
            runpath=tuple(runpath.split(":")) if runpath else (),
            executable_stack=stack,
            debug_information=file.get_section_by_name(".debug_info") is not None,
        )


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
