"""Closing the bundle: the frozen directory becomes self-contained, so that nothing outside it is ever needed.

On freezer's own copies of the binaries: RUNPATH, which staticx cannot work with, and absolute RPATHs, which point into
the build machine, go; ``$ORIGIN`` entries stay as DT_RPATH. Then every library that is needed and not yet inside comes
along, by the closure of ``elf.py``, to the top of the tree, where the linker's start-up code looks.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer import tools
from freezer.elf import (
    Elf,
    Missing,
    NotElf,
    closure,
    find_elves,
    loader_directories,
    read_elf,
    sonames_of,
)
from freezer.elfedit import clear_executable_stack, forbid_default_directories, set_rpath_in_place
from freezer.environment import Environment
from freezer.errors import EnvironmentFailure, InputError
from freezer.freeze import FrozenApp
from freezer.log import Log
from freezer.plan import Plan
from freezer.provisions import Provided, provide
from freezer.rooted import within
from freezer.workspace import Workspace

OPENED_AT_RUN_TIME = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")
"""Opened by the C library by name: for thread cancellation (without it a daemon thread alive at exit aborts the
process), and for the name services."""


SYSTEM_PLACES = re.compile(rb"(?<=\0)(/etc/ld\.so\.(?:cache|preload)|/[\w./-]+/gconv(?:/gconv-modules\.cache)?)(?=\0)")
"""Where glibc's loader and C library find what else of the system to load: ld.so(8), iconv(1)."""


@dataclass(frozen=True)
class ClosedApp:
    """A frozen application with all it needs. ``interpreter`` is the file name of the dynamic loader in the tree;
    ``python`` is the program of the Python that it was built with, in its own system; ``missing`` are libraries that
    the build environment lacks too."""

    frozen: FrozenApp
    interpreter: str
    python: Path
    libraries: tuple[str, ...]
    missing: tuple[Missing, ...]
    provided: tuple[Provided, ...]


def check_architecture(plan: Plan, environment: Environment) -> None:
    """Refuse libraries given by the user that are made for another machine, before the slow work."""
    machine = read_elf(environment.interpreter.libpython)
    for path in [*plan.libraries, *(source for source, _ in plan.add_binary if source.is_file())]:
        try:
            elf = read_elf(path)
        except NotElf as error:
            raise InputError(f"{path} cannot be used as a library", why=str(error)) from error
        if (elf.machine, elf.bits) != (machine.machine, machine.bits):
            raise InputError(
                f"{path} is made for another machine",
                why=f"it is {elf.machine}, {elf.bits} bit; the Python to build with is {machine.machine}, "
                f"{machine.bits} bit",
            )


def close_bundle(plan: Plan, environment: Environment, frozen: FrozenApp, *, log: Log, space: Workspace) -> ClosedApp:
    """Bring along what the frozen application needs from the system.

    Libraries that cannot be found are reported by name with who needs them; they are no error, since the application
    may well never load that file, and the build environment lacks them too.
    """
    provided, lacking = provide(frozen.contents, frozen.modules, plan.provisions, environment.root.path)
    for name in lacking:
        log.warning(f"this system has no {name}; the application will lack it in an empty root")
    elves = find_elves(frozen.tree)
    program = read_elf(frozen.program)
    native = [elf for elf in elves if (elf.machine, elf.bits) == (program.machine, program.bits) and elf.dynamic]
    bundled = {name: elf.path for elf in native for name in (elf.path.name, elf.soname) if name}
    for link in (path for path in frozen.contents.iterdir() if path.is_symlink()):
        bundled.setdefault(link.name, link)
    assert program.interpreter is not None
    root = environment.root.path
    directories = loader_directories(root, program.machine)
    opened = [soname for name in frozen.opened for soname in sonames_of(name, directories, root)]
    python = _program_of(environment)
    found = closure(
        [*native, python] if plan.native else native,
        root=root,
        bundled=bundled,
        directories=directories,
        origins=frozen.origins,
        extra=(*OPENED_AT_RUN_TIME, *opened, os.path.basename(program.interpreter)),
    )
    for item in found.missing:
        who = os.path.relpath(item.needed_by, frozen.tree)
        other = " (one exists, for another machine)" if item in found.foreign else ""
        log.warning(f"{item.soname}, needed by {who}, is not on this system{other}")
    _link_needed_at_start(program, bundled, frozen.tree)
    if frozen.strip:
        for elf in native:
            if elf.path != frozen.program:
                strip(elf.path, "--strip-all", log=log, space=space)
        native = [read_elf(elf.path) for elf in native]
    copies = [_copy(path, frozen.tree / soname) for soname, path in sorted(found.libraries.items())]
    for elf in [*native, *copies]:
        if elf.path == frozen.program:
            continue
        mend(elf, frozen.tree, log=log, space=space)
        if elf.debug_information and environment.interpreter.prefix in frozen.origins.get(elf.path, Path()).parents:
            strip(elf.path, "--strip-debug", log=log, space=space)
    if plan.native:
        isolate(frozen.tree, os.path.basename(program.interpreter))
    return ClosedApp(
        frozen=frozen,
        interpreter=os.path.basename(program.interpreter),
        python=python.path,
        libraries=tuple(sorted(found.libraries)),
        missing=found.missing,
        provided=tuple(provided),
    )


def _program_of(environment: Environment) -> Elf:
    """The program of the Python that is built with. Raises EnvironmentFailure for one that is a script."""
    path = within(environment.root.path, environment.interpreter.executable)
    try:
        return read_elf(path)
    except NotElf as error:
        raise EnvironmentFailure(f"{path} is no program", why=str(error), hint="name another: --python PATH") from error


def isolate(tree: Path, loader: str) -> None:
    """Have nothing of the system where the application runs loaded into it.

    Its libraries are made for its C library, and the host's may be made for another. What the files need is not looked
    for in the loader's default directories; and freezer's copies of the loader and the C library know no cache of what
    is in others, no list of what is to be loaded into every program, and no modules for other charsets than Unicode's
    and ASCII (Python has its own), neither in their own place nor by GCONV_PATH.
    """
    for elf in find_elves(tree):
        if elf.is_library and elf.path.name != loader:
            forbid_default_directories(elf.path)
    for path in (tree / loader, tree / "libc.so.6"):
        # Nothing can be below /dev/null, and no variable has a "=" in its name.
        content = SYSTEM_PLACES.sub(lambda found: b"/dev/null/".ljust(len(found[0]), b"-"), path.read_bytes())
        path.write_bytes(content.replace(b"\0GCONV_PATH\0", b"\0=CONV_PATH\0"))


def _link_needed_at_start(program: Elf, bundled: Mapping[str, Path], tree: Path) -> None:
    """Make what the program itself needs visible at the top of the tree, the only place its start looks in."""
    queue = [program]
    while queue:
        for soname in queue.pop().needed:
            path, link = bundled.get(soname), tree / soname
            if path is not None and not os.path.lexists(link):
                link.symlink_to(os.path.relpath(path, tree))
                queue.append(read_elf(path))


def _copy(source: Path, target: Path) -> Elf:
    shutil.copyfile(source, target)
    target.chmod(0o755)
    return read_elf(target)


def kept_entries(elf: Elf, tree: Path) -> list[str]:
    """The entries of an ELF file's RPATH or RUNPATH that point into the tree, in their order."""
    kept = []
    for entry in elf.runpath or elf.rpath:
        relative = entry.replace("${ORIGIN}", "$ORIGIN")
        if not relative.startswith("$ORIGIN"):
            continue
        place = Path(os.path.normpath(relative.replace("$ORIGIN", str(elf.path.parent))))
        if (place == tree or tree in place.parents) and place.is_dir():
            kept.append(entry)
    return kept


def mend(elf: Elf, tree: Path, *, log: Log, space: Workspace) -> None:
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
        tools.run(
            [patchelf, *step, elf.path],
            log=log,
            build_log=space.build_log,
            what=f"mend the library search path of {elf.path.name}",
            env=_environment(space),
            cwd=space.work,
        )


def strip(path: Path, what: str, *, log: Log, space: Workspace) -> None:
    """Take symbols ("--strip-all") or debug sections ("--strip-debug") off a library.

    Debug sections are never loaded, and are 34 of the 56 MB of a Python that was built with ``-g``, as pyenv does,
    unpacked at every start. Files of others than the interpreter are left alone unless asked for.
    """
    tools.run(
        [tools.require(["strip"])["strip"], what, path],
        log=log,
        build_log=space.build_log,
        what=f"strip {path.name}",
        env=_environment(space),
        cwd=space.work,
    )


def _environment(space: Workspace, extra: Optional[Mapping[str, str]] = None) -> dict[str, str]:
    return tools.clean_environment(home=space.folder("home"), temporary=space.folder("tmp"), epoch=0, extra=extra)
