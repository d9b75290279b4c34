"""What an application is made of because its file of learned things says so (``freezer.plan.learned``).

Files keep their places: those of the application's own are where the code that is imported from the same directory is,
those of packages where the packages are. A line for what is not there any more is passed over, and named.
"""

from __future__ import annotations

import dataclasses
import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from freezer.application.entry import Application
from freezer.application.never_taken import SECRET_FOLDERS, has_private_key, is_left_over, is_secret_name
from freezer.application.own import Learnt, OwnFile
from freezer.base.elf_file import MAGIC
from freezer.base.places import is_file, is_folder, passing_over
from freezer.environment.venv import Environment
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind
from freezer.plan.trees import CACHES, ENVIRONMENT_MARK, REPOSITORIES

if TYPE_CHECKING:
    import importlib.metadata

WHY = "learned"
BYTECODE = (".pyc", ".pyo")
DESCRIPTIONS = (".egg-info", ".dist-info")
"""Ends of the names of directories that describe distributions."""


def with_learned(application: Application, plan: Plan, environment: Environment) -> Application:
    """Return the application with what the plan's file of learned things names."""
    learned = plan.learned
    if learned is None:
        return application
    stale: list[str] = []
    known = {item.source for item in application.own.files}
    own: list[OwnFile] = []
    data: list[tuple[Path, str]] = []
    binaries: list[tuple[Path, str]] = []
    for name, asker in learned.files.items():
        found = [path for path in _files_at(learned.base, name) if _may_come(path, learned.base, plan, name)]
        if not found:
            stale.append(f"[files] {name}")
        for path in (path for path in found if path not in known):
            place = place_of(path, plan, application)
            folder = os.path.dirname(place) or "."
            if _is_binary(path):
                binaries.append((path, folder))
            else:
                own.append(OwnFile(path, folder, path.stat().st_size, f"{WHY}: {asker}"))
    for name in learned.package_files:
        places = [(path, folder) for folder in package_folders(environment) for path in _files_at(folder, name)]
        if not places:
            stale.append(f"[package-files] {name}")
        for path, top in places:
            item = (path, os.path.dirname(str(path.relative_to(top))) or ".")
            (binaries if _is_binary(path) else data).append(item)
    metadata, groups = _described(plan, application, environment, stale)
    learnt = Learnt(tuple(learned.modules), tuple(data), tuple(binaries), metadata, groups, tuple(stale))
    modules = {name: f"{WHY}: {asker}" for name, asker in learned.modules.items()}
    combined = dataclasses.replace(
        application.own,
        files=(*application.own.files, *own),
        modules=tuple(sorted({**modules, **dict(application.own.modules)}.items())),
        asks=application.own.asks or (WHY if own else ""),
    )
    searched = application.imported_from
    if plan.folder not in searched and any(_is_in(plan.folder, name) for name in learned.modules):
        searched = (*searched, plan.folder)
    return dataclasses.replace(application, own=combined, learnt=learnt, imported_from=searched)


def _is_in(folder: Path, module: str) -> bool:
    """Tell whether a directory has the source of a module."""
    place = folder.joinpath(*module.split("."))
    return is_file(place / "__init__.py") or is_file(place.with_name(f"{place.name}.py"))


def place_of(path: Path, plan: Plan, application: Application) -> str:
    """Return the place in the bundle of a file of the application's own: where it is below the nearest directory that
    the application's modules are imported from.

    The sources of a project are not what is imported, its wheel is: there it is where the wheel has its neighbours.
    """
    if plan.entry.kind is EntryKind.PROJECT:
        assert plan.entry.path is not None
        parts = path.relative_to(plan.entry.path).parts
        tops = {name for folder in application.search if is_folder(folder) for name in os.listdir(folder)}
        start = next((number for number, part in enumerate(parts[:-1]) if part in tops), 0)
        return os.path.join(*parts[start:])
    roots = import_roots(plan, application)
    above = [root for root in roots if root in path.parents]
    top = max(above, key=lambda root: len(root.parts)) if above else path.parent
    return str(path.relative_to(top))


def import_roots(plan: Plan, application: Application) -> tuple[Path, ...]:
    """Return the directories that the application's own modules are imported from. The function of a package that finds
    modules by their names, as servers do, finds them in the current directory."""
    entry = plan.entry.path
    beside = (entry.parent if is_file(entry) else entry,) if entry is not None else (plan.folder,)
    if plan.entry.kind is EntryKind.PROJECT:
        return application.search
    return tuple(dict.fromkeys((*application.search, *application.imported_from, *beside)))


def package_folders(environment: Environment) -> list[Path]:
    """Return the directories that an environment's packages are in."""
    home = environment.python.parent.parent
    return sorted({path for pattern in ("lib", "lib64") for path in home.glob(f"{pattern}/python*/site-packages")})


def is_secret(path: Path, base: Path) -> bool:
    """Tell whether a file below ``base`` has passwords or keys."""
    if SECRET_FOLDERS & set(path.relative_to(base).parts[:-1]) or is_secret_name(path.name):
        return True
    return is_file(path) and path.suffix != ".py" and has_private_key(path)


def is_of_tools(path: Path, base: Path) -> bool:
    """Tell whether a file below ``base`` is what tools keep beside the sources, or have left behind."""
    *folders, name = path.relative_to(base).parts
    if name.endswith(BYTECODE) or is_left_over(name):
        return True
    if any(folder in REPOSITORIES | CACHES or folder.endswith(DESCRIPTIONS) for folder in folders):
        return True
    return any(is_file(base.joinpath(*folders[:depth]) / ENVIRONMENT_MARK) for depth in range(1, len(folders) + 1))


def _may_come(path: Path, base: Path, plan: Plan, line: str) -> bool:
    """Tell whether a file that a line stands for comes along: it is named itself, or not to be left out."""
    inside = path.relative_to(base)
    places = [str(inside), *(str(folder) for folder in inside.parents)]
    if any(fnmatchcase(place, pattern.rstrip("/")) for place in places for pattern in plan.exclude_data):
        return False
    return not line.endswith("/") or not (is_secret(path, base) or is_of_tools(path, base))


def _files_at(top: Path, name: str) -> list[Path]:
    """Return the file of that name, or the files directly in that directory."""
    path = top / name
    if not name.endswith("/"):
        return [path] if is_file(path) else []
    found: list[Path] = []
    with passing_over():
        found = [path / item for item in sorted(os.listdir(path)) if not item.endswith(BYTECODE)]
    return [item for item in found if is_file(item)]


def _is_binary(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _described(
    plan: Plan, application: Application, environment: Environment, stale: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the distributions and groups of entry points that are there; note those that are not."""
    learned = plan.learned
    if learned is None or not (learned.metadata or learned.entry_points):
        return (), ()
    found = installed(application, environment)
    from packaging.utils import canonicalize_name

    names = {canonicalize_name(item.metadata["Name"]) for item in found if item.metadata["Name"]}
    groups = {entry.group for item in found for entry in item.entry_points}
    stale += [f"[metadata] {name}" for name in learned.metadata if canonicalize_name(name) not in names]
    stale += [f"[entry-points] {name}" for name in learned.entry_points if name not in groups]
    return (
        tuple(name for name in learned.metadata if canonicalize_name(name) in names),
        tuple(name for name in learned.entry_points if name in groups),
    )


def installed(application: Application, environment: Environment) -> list[importlib.metadata.Distribution]:
    """Return the distributions that the application may ask for: its own, and those in its environment."""
    import importlib.metadata

    folders = (*application.search, *package_folders(environment))
    return list(importlib.metadata.distributions(path=[str(folder) for folder in folders]))
