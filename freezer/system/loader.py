"""The shared libraries of a system: the directories that its dynamic loader searches, and the sonames.

This module reads the system's own files, as ld.so(8) and ld.so.conf(5) describe them: ``ldconfig`` and ``ldd`` only
know the host.
"""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from freezer.base.elf import parse_elf
from freezer.base.elf_file import NotElf
from freezer.system.rooted import matches, opened, place, text_of


def loader_directories(root: Path, machine: str) -> list[Path]:
    """Return the directories that the loader of the system at ``root`` searches by default (ld.so.conf(5), then
    built-in)."""
    multiarch = {
        "EM_X86_64": "x86_64-linux-gnu",
        "EM_AARCH64": "aarch64-linux-gnu",
        "EM_386": "i386-linux-gnu",
        "EM_ARM": "arm-linux-gnueabihf",
        "EM_PPC64": "powerpc64le-linux-gnu",
        "EM_S390": "s390x-linux-gnu",
        "EM_RISCV": "riscv64-linux-gnu",
    }.get(machine)
    names = list(_configured(root, place(root, "/etc/ld.so.conf"), set()))
    if multiarch:
        names += [f"/lib/{multiarch}", f"/usr/lib/{multiarch}"]
    names += ["/lib64", "/usr/lib64", "/lib", "/usr/lib"]
    return [place(root, name) for name in dict.fromkeys(names)]


def _configured(root: Path, path: Path, seen: set[Path]) -> Iterator[str]:
    if path in seen:
        return
    seen.add(path)
    try:
        text = text_of(root, path)
    except OSError:
        return
    for raw in text.splitlines():
        line = raw.split("#")[0].strip()
        if line.startswith("include "):
            pattern = line.split(None, 1)[1]
            if not pattern.startswith("/"):
                pattern = f"{path.parent.relative_to(root)}/{pattern}"
            for found in matches(root, pattern):
                yield from _configured(root, found, seen)
        elif line.startswith("/"):
            yield line


def sonames_of(name: str, directories: Iterable[Path], root: Path = Path("/")) -> list[str]:
    """Return the sonames that ctypes.util.find_library(name) may return, given the loader's directories."""
    found = []
    for directory in directories:
        for path in matches(root, f"{directory.relative_to(root)}/lib{glob.escape(name)}.so*"):
            with contextlib.suppress(NotElf, OSError), opened(root, path) as file:
                soname = parse_elf(file, path).soname
                if soname is not None and soname not in found:
                    found.append(soname)
    return found
