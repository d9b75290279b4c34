"""Reading ELF files, and the closure of shared libraries that a set of them needs.

``ldd`` runs the build host's loader and reports its opinion, which depends on the host's configuration, on
``LD_LIBRARY_PATH`` and on whether a dependency happens to be missing (then it reports none at all). This module reads
the files instead (System V gABI, chapter 5, "Dynamic Linking") and searches as ld.so(8) describes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, cast

from freezer.rooted import within

ELF_MAGIC = b"\x7fELF"
PT_GNU_STACK = 0x6474E551
PF_X = 1

DAMAGE = (ValueError, LookupError, AttributeError, ArithmeticError, struct.error, OSError, MemoryError)
"""What reading a damaged file may raise: pyelftools believes the offsets and sizes that it finds."""


class NotElf(ValueError):
    """The file is no ELF file, or a damaged one."""


@dataclass(frozen=True)
class Elf:
    """What freezer needs to know of an ELF file.

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
        """A shared object that a process loads, as opposed to a program that the kernel starts."""
        return self.dynamic and self.interpreter is None and self.kind == "ET_DYN"

    def search_entries(self, origin: Path, root: Path = Path("/")) -> list[Path]:
        """The directories of RPATH or RUNPATH; RUNPATH hides RPATH.

        ``$ORIGIN`` is replaced by ``origin``, and other entries are directories of the system at ``root``.
        """
        found = []
        for entry in filter(None, self.runpath or self.rpath):
            place = entry.replace("${ORIGIN}", str(origin)).replace("$ORIGIN", str(origin))
            if place == entry:
                place = f"{root}/{entry}"
            # Not two slashes, which normpath() keeps at the start.
            found.append(Path(os.path.normpath(re.sub("/+", "/", place))))
        return found


def is_elf(path: Path) -> bool:
    """Whether the file starts with the ELF magic; unreadable and irregular files do not."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == ELF_MAGIC
    except OSError:
        return False


def read_elf(path: Path) -> Elf:
    """Read one file.

    Raises NotElf for anything that is no well-formed ELF file, OSError if it cannot be read.
    """
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    if not is_elf(path):
        raise NotElf(f"{path} is no ELF file")
    with open(path, "rb") as stream:
        try:
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
        except (*DAMAGE, ELFError) as error:
            raise NotElf(f"{path} is a damaged ELF file: {error}") from error


def find_elves(root: Path) -> list[Elf]:
    """All ELF files below ``root``, sorted by path; symbolic links and damaged files are left out."""
    found = []
    for directory, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(directory, name)
            if path.is_symlink() or not is_elf(path):
                continue
            try:
                found.append(read_elf(path))
            except NotElf:
                continue
    return found


def loader_directories(root: Path, machine: str) -> list[Path]:
    """The directories that the loader of the system at ``root`` searches by default (ld.so.conf(5), then built-in)."""
    multiarch = {
        "EM_X86_64": "x86_64-linux-gnu",
        "EM_AARCH64": "aarch64-linux-gnu",
        "EM_386": "i386-linux-gnu",
        "EM_ARM": "arm-linux-gnueabihf",
        "EM_PPC64": "powerpc64le-linux-gnu",
        "EM_S390": "s390x-linux-gnu",
        "EM_RISCV": "riscv64-linux-gnu",
    }.get(machine)
    names = list(_configured(root, "/etc/ld.so.conf", depth=0))
    if multiarch:
        names += [f"/lib/{multiarch}", f"/usr/lib/{multiarch}"]
    names += ["/lib64", "/usr/lib64", "/lib", "/usr/lib"]
    return [root / name.lstrip("/") for name in dict.fromkeys(names)]


def _configured(root: Path, name: str, depth: int) -> Iterator[str]:
    if depth > 4:
        return
    try:
        text = within(root, root / name.lstrip("/")).read_text(errors="replace")
    except OSError:
        return
    for raw in text.splitlines():
        line = raw.split("#")[0].strip()
        if line.startswith("include "):
            pattern = line.split(None, 1)[1]
            pattern = pattern if pattern.startswith("/") else os.path.join(os.path.dirname(name), pattern)
            for found in sorted(glob.glob(str(root / pattern.lstrip("/")))):
                yield from _configured(root, "/" + os.path.relpath(found, root), depth + 1)
        elif line.startswith("/"):
            yield line


def sonames_of(name: str, directories: Iterable[Path], root: Path = Path("/")) -> list[str]:
    """The sonames that ctypes.util.find_library(name) may answer with, given the loader's directories."""
    found = []
    for directory in directories:
        for path in sorted(directory.glob(f"lib{glob.escape(name)}.so*")):
            with contextlib.suppress(NotElf, OSError):
                soname = read_elf(within(root, path)).soname
                if soname is not None and soname not in found:
                    found.append(soname)
    return found


@dataclass(frozen=True)
class Missing:
    """A library that could not be found, and the file that asks for it."""

    soname: str
    needed_by: Path


@dataclass(frozen=True)
class Closure:
    """Which files must come along: ``libraries`` maps each soname to the file found, ``missing`` is what was not."""

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
    """The libraries outside the bundle that ``roots`` need, directly or through one another.

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
    """Where a file is, in the system at ``root`` or in a directory that is brought into it."""
    return within(root, path) if root in path.parents else path.resolve()
