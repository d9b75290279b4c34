"""Modules that the application's own code imports and that are not there: a build would be of no use.

Only the imports of a start count: those inside functions, conditions and try statements may be meant to fail.
"""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path

from freezer.base.errors import InputError
from freezer.plan.build import Entry, Plan
from freezer.plan.choices import EntryKind
from freezer.plan.resolve_entry import is_project

OF_PYINSTALLER = frozenset(("pyi_splash", "pyimod01_archive", "pyimod02_importers", "pyimod03_ctypes"))
"""Modules that each application has at run time, and no environment."""


def prefixes_of(module: str) -> set[str]:
    """Return the names of a module and of the packages that it is in."""
    parts = module.split(".")
    return {".".join(parts[: depth + 1]) for depth in range(len(parts))}


def refuse_missing(imports: tuple[tuple[str, Path, int], ...], missing: frozenset[str], plan: Plan) -> None:
    """Raise an InputError if a module is missing that the application's own code imports whenever it starts."""
    for module, file, line in imports:
        prefixes, top = prefixes_of(module), module.partition(".")[0]
        if not prefixes & missing or not prefixes.isdisjoint(OF_PYINSTALLER.union(plan.exclude)):
            continue
        raise InputError(
            f"module {module!r} is missing from the build environment",
            why=f"{file}, line {line} imports it",
            hint=_project_hint(file, plan.entry)
            + f"add the distribution that provides it to the requirements: --with {top.replace('_', '-')}, "
            f"or -r requirements.txt; if it will only be there at run time: --exclude {module}",
        )


def _project_hint(file: Path, entry: Entry) -> str:
    """Return what to try if a file belongs to a project, and no project is built: only that brings its requirements."""
    with contextlib.suppress(InputError):
        project = next((folder for folder in file.parents if is_project(folder)), None)
        if project is not None and entry.kind in (EntryKind.SCRIPT, EntryKind.MODULE):
            place = "." if project == Path.cwd() else shlex.quote(str(project))
            start = f" -e {entry.function}" if entry.function is not None else ""
            return f"if the project requires it, build the project: freezer build {place}{start}; else "
    return ""
