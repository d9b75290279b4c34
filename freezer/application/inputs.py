"""The inputs that decide a result: they differ whenever another result is possible.

That is the tools' versions, the system, the interpreter, the environment, and every source file outside the environment
with its size and time. All of it is values that JSON can state, to be compared with those of an earlier build.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Optional

from freezer.application.entry import Application
from freezer.application.metadata import revision
from freezer.environment.venv import Environment, toolchain_versions
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind
from freezer.plan.requirements import requirements_state, tree_signature
from freezer.system.chroot.roots import source_state_of
from freezer.system.locate import locate_interpreter


def inputs_of(
    plan: Plan, environment: Environment, application: Application, files: Iterable[Path], cache: Path
) -> dict[str, Any]:
    """Return the inputs of a finished build. ``files`` are all files that went into the bundle."""
    own = environment.python.parent.parent
    work = (cache / "work", own)
    sources = {path for path in files if not any(place in path.parents for place in work)}
    sources |= set(application.own_files)
    # A module that appears in the application's own directories may shadow one that was used.
    folders = {path.parent for path in application.own_files}
    return {
        "key": environment.key,
        "toolchain": toolchain_versions(),
        "root": _root(plan, cache),
        "interpreter": source_state([environment.interpreter.executable, environment.interpreter.libpython]),
        "sources": source_state(sorted(path for path in sources if cache / "work" not in path.parents)),
        "folders": [(str(path), _importable(path)) for path in sorted(folders) if path.is_dir()],
        "added": [tree_signature(path) for path in plan.added_paths()],
        "project": _project_state(plan),
        "requirements": _plain(requirements_state(plan)),
        "environment": str(own),
    }


def unchanged(content: Mapping[str, Any], plan: Plan, cache: Path) -> bool:
    """Return whether all inputs are as ``content``, the record of an earlier build, states them.

    Raises OSError, KeyError or TypeError for what has gone or is damaged, FreezerError for what cannot be read.
    """
    folders = [[name, _importable(Path(name))] for name, _ in content["folders"]]
    added = [_plain(tree_signature(item)) for item in plan.added_paths()]
    return (
        content["toolchain"] == toolchain_versions()
        and content["root"] == _root(plan, cache)
        and _same(content["interpreter"])
        and _same(content["sources"])
        and content["folders"] == folders
        and content["added"] == added
        and content["project"] == _project_state(plan)
        and content["requirements"] == _plain(requirements_state(plan))
        and (Path(content["environment"]) / "complete").is_file()
    )


def revision_of(plan: Plan) -> Optional[str]:
    """Return the commit that a project is checked out at; None for other entries."""
    if plan.entry.kind is EntryKind.PROJECT and plan.entry.path is not None:
        return revision(plan.entry.path)
    return None


def source_state(paths: list[Path]) -> list[tuple[str, int, int]]:
    """Return (path, bytes, modification time in ns) for each file; (path, -1, -1) if it does not exist."""
    state = []
    for path in paths:
        try:
            status = os.stat(path)
            state.append((str(path), status.st_size, status.st_mtime_ns))
        except OSError:
            state.append((str(path), -1, -1))
    return state


def _same(state: list[list[Any]]) -> bool:
    return [list(item) for item in source_state([Path(item[0]) for item in state])] == state


def _plain(value: Any) -> Any:
    """Return the value as a JSON file would give it back."""
    return json.loads(json.dumps(value))


def _root(plan: Plan, cache: Path) -> Any:
    """Return the state of the system to build in, without opening it; for the host, the path of its Python."""
    if plan.chroot is None:
        return str(locate_interpreter(plan.python))
    return _plain(source_state_of(plan, cache))


def _project_state(plan: Plan) -> Any:
    if plan.entry.kind is EntryKind.PROJECT and plan.entry.path is not None:
        return _plain(tree_signature(plan.entry.path))
    return None


def _importable(folder: Path) -> list[str]:
    """Return the names in a directory that an import can find: modules and directories, but not an image written
    there."""
    suffixes = tuple(importlib.machinery.all_suffixes())
    return sorted(name for name in os.listdir(folder) if "." not in name or name.endswith(suffixes))
