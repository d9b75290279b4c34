"""Closing the bundle: the frozen directory becomes self-contained, so that nothing outside it is ever needed.

On freezer's own copies of the binaries: RUNPATH, which staticx cannot work with, and absolute RPATHs, which point into
the build machine, go; ``$ORIGIN`` entries stay as DT_RPATH. Then every library that is needed and not yet inside comes
along, by the closure of ``libraries.py``, to the top of the tree, where the linker's start-up code looks.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from freezer.base.bill import Bill
from freezer.base.elf import Elf, find_elves, read_elf
from freezer.base.elf_file import NotElf
from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job
from freezer.base.log import human_size
from freezer.closure.charsets import CHARSETS, Charsets, Modules, bring_charsets
from freezer.closure.libraries import Missing, closure
from freezer.closure.mend import isolate, mend, strip
from freezer.closure.provisions import Provided, provide
from freezer.environment.venv import Environment
from freezer.freeze.pyinstaller import FrozenApp
from freezer.plan.build import Plan
from freezer.system.loader import loader_directories, sonames_of
from freezer.system.rooted import within

OPENED_AT_RUN_TIME = (
    *("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"),
    *("libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libanl.so.1"),
)
"""Opened by name. The first by the C library: for thread cancellation (without it a daemon thread alive at exit aborts
the process), and for the name services. The others by ctypes.CDLL("librt.so.1") and its like, in C too: they are parts
of the C library, so PyInstaller leaves them to the system, where a search that ends in the tree does not find them."""


@dataclass(frozen=True)
class ClosedApp:
    """A frozen application with all it needs. ``interpreter`` is the file name of the dynamic loader in the tree;
    ``python`` is the program of the Python that it was built with, in its own system; ``missing`` are libraries that
    were not found on the build system; ``sources`` are the files that the libraries are copies of, by their names in
    the tree; ``bill`` says whose each file is. The tree of one that an earlier build has ``kept`` is known by that
    name, and must not be written to; the files ``replaced``, by their paths in the tree, are others now. ``listed`` is
    what is in the tree, if that is known (see ``clones.listed_tree``)."""

    frozen: FrozenApp
    interpreter: str
    python: Path
    libraries: tuple[str, ...]
    missing: tuple[Missing, ...]
    provided: tuple[Provided, ...]
    sources: Mapping[str, Path] = field(default_factory=dict)
    bill: Optional[Bill] = None
    kept: str = ""
    listed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    replaced: Mapping[str, Path] = field(default_factory=dict)

    @property
    def has_charsets(self) -> bool:
        """Whether the C library is to look for modules for charsets in the bundle."""
        return any(item.name == CHARSETS for item in self.provided)


def close_bundle(plan: Plan, environment: Environment, frozen: FrozenApp, job: Job) -> ClosedApp:
    """Copy what the frozen application needs from the system into the bundle, and log it."""
    with job.step("close") as step:
        closed = bring_along(plan, environment, frozen, job)
        parts = [f"{item.name} {human_size(item.size)}" for item in closed.provided]
        step.result = f"{len(closed.libraries)} system libraries" + (", " + ", ".join(parts) if parts else "")
    return closed


def bring_along(plan: Plan, environment: Environment, frozen: FrozenApp, job: Job) -> ClosedApp:
    """Copy what the frozen application needs from the system into the bundle.

    Libraries that cannot be found are reported by name with who needs them; they are no error, since the application
    may well never load that file, and the build environment lacks them too.
    """
    provided, lacking = provide(frozen.contents, frozen.modules, plan.provisions, environment.root.path)
    for name in lacking:
        job.log.warning(f"not found on this system: {name}; the application will lack it in an empty root")
    program = _program_of(environment)
    root = environment.root.path
    directories = loader_directories(root, program.machine)
    charsets = _charsets(plan, frozen, root, directories, job)
    provided += charsets.provided
    native = [
        elf
        for elf in find_elves(frozen.tree)
        if (elf.machine, elf.bits) == (program.machine, program.bits) and elf.dynamic and elf.path != frozen.program
    ]
    bundled = {name: elf.path for elf in native for name in (elf.path.name, elf.soname) if name}
    for link in (path for path in frozen.contents.iterdir() if path.is_symlink()):
        bundled.setdefault(link.name, link)
    assert program.interpreter is not None
    learned = plan.learned.libraries if plan.learned is not None else ()
    opened = [soname for name in frozen.opened for soname in sonames_of(name, directories, root)]
    found = closure(
        [*native, program],
        root=root,
        bundled=bundled,
        directories=directories,
        origins=frozen.origins,
        extra=(*OPENED_AT_RUN_TIME, *opened, *learned, os.path.basename(program.interpreter)),
    )
    for item in found.missing:
        who = os.path.relpath(item.needed_by, frozen.tree)
        other = " (one exists, for another machine)" if item in found.foreign else ""
        job.log.warning(f"{item.soname}, needed by {who}, is not on this system{other}")
    for name in sorted(set(learned) - {*found.libraries, *bundled}):
        job.log.warning(f"{name}, which freezer learn has noted, is not on this system")
    if frozen.strip:
        strip([elf.path for elf in native], "--strip-all", job)
        native = [read_elf(elf.path) for elf in native]
    copies = [_copy(path, frozen.tree / soname) for soname, path in sorted(found.libraries.items())]
    for elf in [*native, *copies]:
        mend(elf, frozen.tree, job)
    debugged = [elf.path for elf in [*native, *copies] if elf.debug_information]
    prefix = environment.interpreter.prefix
    strip([path for path in debugged if prefix in frozen.origins.get(path, Path()).parents], "--strip-debug", job)
    _isolate(frozen.tree, os.path.basename(program.interpreter), job)
    return ClosedApp(
        frozen=frozen,
        interpreter=os.path.basename(program.interpreter),
        python=program.path,
        libraries=tuple(sorted(found.libraries)),
        missing=found.missing,
        provided=tuple(provided),
        sources={**found.libraries, **charsets.sources},
    )


def _charsets(plan: Plan, frozen: FrozenApp, root: Path, directories: Sequence[Path], job: Job) -> Charsets:
    """Copy the modules for charsets that the user, or code, names."""
    if not plan.charsets and not frozen.charsets:
        return Charsets()
    found = bring_charsets(plan.charsets, frozen.charsets, Modules(root, directories), frozen.contents)
    for name in found.lacking:
        job.log.detail(f"    the charset {name}, which code names, is not known on this system")
    return found


def _isolate(tree: Path, loader: str, job: Job) -> None:
    """Keep the application from loading anything of the system that it runs on; warn of what could not be kept."""
    for path in isolate(tree, loader):
        job.log.warning(
            f"{path.relative_to(tree)} may load libraries of the system that it runs on: "
            "there is no room in it to forbid that"
        )


def _program_of(environment: Environment) -> Elf:
    """Return the program of the Python to build with. Raises EnvironmentFailure if it is a script."""
    path = within(environment.root.path, environment.interpreter.executable)
    try:
        return read_elf(path)
    except NotElf as error:
        raise EnvironmentFailure(
            f"{path} is not a program", why=str(error), hint="name another: --python PATH"
        ) from error


def _copy(source: Path, target: Path) -> Elf:
    shutil.copyfile(source, target)
    target.chmod(0o755)
    return read_elf(target)
