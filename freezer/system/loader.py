"""The shared libraries of a system: the directories that its dynamic loader searches, and the sonames.

This module reads the system's own files, as ld.so(8) and ld.so.conf(5) describe them: ``ldconfig`` and ``ldd`` only
know the host.
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from freezer.base.elf import NotElf, read_elf
from freezer.system.rooted import within


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
    """Return the sonames that ctypes.util.find_library(name) may return, given the loader's directories."""
    found = []
    for directory in directories:
        for path in sorted(directory.glob(f"lib{glob.escape(name)}.so*")):
            with contextlib.suppress(NotElf, OSError):
                soname = read_elf(within(root, path)).soname
                if soname is not None and soname not in found:
                    found.append(soname)
    return found
