"""Mending the bundle's ELF files: independent of the build machine, and of the system where they will run.

All of this is done on freezer's own copies. RUNPATH, which staticx cannot work with, and absolute RPATHs, which point
into the build machine, go; ``$ORIGIN`` entries stay as DT_RPATH.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from freezer.base import tools
from freezer.base.elf import Elf, find_elves
from freezer.base.job import Job
from freezer.closure.elfedit import clear_executable_stack, forbid_default_directories, set_rpath_in_place

SYSTEM_PLACES = re.compile(rb"(?<=\0)(/etc/ld\.so\.(?:cache|preload)|/[\w./-]+/gconv(?:/gconv-modules\.cache)?)(?=\0)")
"""Where glibc's loader and C library find what else of the system to load: ld.so(8), iconv(1)."""

AT_ONCE = 500
"""Files that one run of a tool is given; the length of a command line is limited."""


def isolate(tree: Path, loader: str) -> list[Path]:
    """Keep the application from loading anything of the system that it runs on.

    Its libraries are made for its C library, and the host's may be made for another. What the files need is not looked
    for in the loader's default directories; and freezer's copies of the loader and the C library know no cache of what
    is in others, no list of what is to be loaded into every program, and no modules for other charsets than Unicode's
    and ASCII (Python has its own), neither in their own place nor by GCONV_PATH. Those of the bundle they know by the
    name that this variable gets: ``start.so`` sets it while it is read (freezer/link/launcher/start.c).

    Returns the libraries that could not be kept from it.
    """
    libraries = [elf.path for elf in find_elves(tree) if elf.is_library and elf.path.name != loader]
    open_ones = [path for path in libraries if not forbid_default_directories(path)]
    for path in (tree / loader, tree / "libc.so.6"):
        # Nothing can be below /dev/null, and no variable has a "=" in its name.
        content = SYSTEM_PLACES.sub(lambda found: b"/dev/null/".ljust(len(found[0]), b"-"), path.read_bytes())
        path.write_bytes(content.replace(b"\0GCONV_PATH\0", b"\0=CONV_PATH\0"))
    return open_ones


def kept_entries(elf: Elf, tree: Path) -> list[str]:
    """Return the entries of an ELF file's RPATH or RUNPATH that point into the tree, in their order."""
    kept = []
    for entry in elf.runpath or elf.rpath:
        relative = entry.replace("${ORIGIN}", "$ORIGIN")
        if not relative.startswith("$ORIGIN"):
            continue
        place = Path(os.path.normpath(relative.replace("$ORIGIN", str(elf.path.parent))))
        if (place == tree or tree in place.parents) and place.is_dir():
            kept.append(entry)
    return kept


def mend(elf: Elf, tree: Path, job: Job) -> None:
    """Make one file independent of the build machine's directories and acceptable to hardened kernels."""
    if elf.executable_stack:
        clear_executable_stack(elf.path)
    kept = kept_entries(elf, tree)
    if not elf.runpath and list(elf.rpath) == kept:
        return
    if set_rpath_in_place(elf, kept):
        return
    patchelf = tools.require(["patchelf"])["patchelf"]
    steps: list[list[str]] = [["--remove-rpath"], ["--force-rpath", "--set-rpath", ":".join(kept)]]
    for step in steps:
        job.run([patchelf, *step, elf.path], what=f"mend the library search path of {elf.path.name}")


def strip(paths: Sequence[Path], what: str, job: Job) -> None:
    """Strip symbols ("--strip-all") or debug sections ("--strip-debug") from libraries, many of them at once: most are
    small, and to start a program for each takes longer than its work.

    Debug sections are never loaded, and are 34 of the 56 MB of a Python that was built with ``-g``, as pyenv does,
    unpacked at every start. Files of others than the interpreter are left alone unless asked for.
    """
    for start in range(0, len(paths), AT_ONCE):
        some = paths[start : start + AT_ONCE]
        job.run([tools.require(["strip"])["strip"], what, *some], what=f"strip {some[0].name}")
