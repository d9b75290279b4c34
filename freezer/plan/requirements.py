"""The files that decide what pip installs, found without running pip.

Requirements files count by their content, with the files that they include; what they name by path, by the names, sizes
and times of its files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from freezer.base.errors import InputError
from freezer.base.places import exists, is_file, is_folder
from freezer.plan.build import Plan
from freezer.plan.requirement_lines import Line, is_url, parse_lines, path_of
from freezer.plan.trees import repository_state, tree_signature


@dataclass
class Named:
    """What the requirements of a plan name: ``files`` are requirements and constraints files with their texts,
    ``sources`` are projects and distributions, ``links`` the places that distributions are found in."""

    files: dict[Path, str] = field(default_factory=dict)
    sources: set[Path] = field(default_factory=set)
    links: set[Path] = field(default_factory=set)


def named_files(plan: Plan) -> Named:
    """Find all that the requirements of a plan name. Raises InputError for a file that cannot be read."""
    named = Named()
    for package in plan.packages:
        _add_source(named, package, (plan.folder,))
    queue = [*plan.requirements, *plan.constraints]
    while queue:
        file = Path(os.path.normpath(queue.pop()))
        if file in named.files:
            continue
        named.files[file] = _read(file)
        for line in parse_lines(named.files[file], os.environ):
            queue += included_files(file, line)
            # pip takes them relative to the current directory; people mean the file's, which pip takes for links.
            folders = (plan.folder, file.parent)
            if line.requirement is not None:
                _add_source(named, plain_requirement(line, plan.folder), folders)
            for text in line.links:
                places = [path_of(os.path.join(text, ""), folder) for folder in folders]
                named.links |= {place for place in places if place is not None and exists(place)}
    return named


def plain_requirement(line: Line, folder: Path) -> str:
    """Return a line's requirement as one that is not editable; ``folder`` is pip's current directory."""
    text = line.requirement or ""
    # An editable directory may be called by its name alone, which else is a distribution's.
    return f"./{text}" if line.editable and is_folder(folder / text.partition("[")[0]) and os.sep not in text else text


def included_files(file: Path, line: Line) -> list[Path]:
    """Return the files that a line of a requirements file includes, but for those that are fetched from elsewhere."""
    found = []
    for text in line.includes:
        if text.startswith("file:"):
            found.append(path_of(text, file.parent) or file)
        elif not is_url(text):
            found.append(file.parent / text)
    return found


def _add_source(named: Named, text: str, folders: tuple[Path, ...]) -> None:
    for folder in folders:
        path = path_of(text, folder)
        if path is not None and exists(path):
            named.sources.add(path)


def _read(path: Path) -> str:
    # Opening a pipe would wait for its writer.
    if exists(path) and not is_file(path):
        raise InputError(f"cannot read {path}: it is not a regular file")
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if "\0" in text:
        raise InputError(f"{path} is not a requirements file", why="it has null bytes")
    return text


def requirements_state(plan: Plan) -> Mapping[str, list[object]]:
    """Return the content of all that a plan requires, by name: it differs whenever pip might install something else."""
    named = named_files(plan)
    return {**{str(path): [text] for path, text in sorted(named.files.items())}, **_local_state(named)}


def requirements_content(plan: Plan) -> list[object]:
    """Return what decides an environment: requirements by what they say, wherever their files are, and the state of
    what they name by path."""
    named = named_files(plan)
    return [list(plan.packages), len(plan.requirements), list(named.files.values()), _local_state(named)]


def _local_state(named: Named) -> dict[str, list[object]]:
    """Return the state of what requirements name by path."""
    state: dict[str, list[object]] = {}
    for path in sorted(named.sources):
        # Where a repository is cloned from, its commits decide, and not its files.
        state[str(path)] = [*tree_signature(path), *repository_state(path)]
    for path in sorted(named.links):
        state[str(path)] = [entry for item in _entries(path) if is_file(item) for entry in tree_signature(item)]
    return state


def _entries(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if is_folder(path) else [path]


def local_paths(plan: Plan) -> set[Path]:
    """Return the files and directories that requirements name, and the directories of the files that they include."""
    named = named_files(plan)
    given = {Path(os.path.normpath(path)) for path in (*plan.requirements, *plan.constraints)}
    return named.sources | named.links | {path.parent for path in named.files if path not in given}
