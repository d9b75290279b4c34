"""The application's own ground: the directory that its files come along from without being asked for.

For a script that is its own directory, for a module the directory that it is found in; a project comes as its wheel. A
directory that is plainly no project, such as a home, gives what code names, and no more. What is never part of an
application is told here by name and place; what of the rest comes along, the code decides (``drivers/own_files.py``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Optional

from freezer.application.ignored import Ignored
from freezer.application.never_taken import (
    SECRET_FOLDERS,
    TOOL_FOLDERS,
    has_private_key,
    holds_tests,
    is_for_tools,
    is_left_over,
    is_secret_name,
    is_test,
)
from freezer.base.errors import InputError
from freezer.base.log import human_size
from freezer.base.places import is_file, is_folder, is_link, is_text, passing_over
from freezer.base.publish import is_result
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind, Own
from freezer.plan.requirements import named_files
from freezer.plan.trees import source_folders

LARGEST = 20_000_000
"""Bytes of a file, or of a directory beside the script, that comes along without being named."""
MOST_FILES = 20_000
CODE = (".py", ".so")
PROJECT_MARKS = ("pyproject.toml", "setup.cfg", "setup.py", "requirements.txt", "Pipfile", "manage.py", "uv.lock")
HOME_FOLDERS = ("Desktop", "Documents", "Downloads", "Music", "Pictures", "Public", "Templates", "Videos", "bin")
SHARED = tuple(map(Path, ("/", "/tmp", "/var/tmp", "/dev/shm", "/home", "/root", "/opt", "/srv", "/mnt", "/media")))
SHARED += tuple(Path("/usr", name) for name in ("bin", "lib", "lib64", "libexec", "local", "sbin", "share", "src"))
SHARED += tuple(Path("/usr/local", name) for name in ("bin", "lib", "sbin", "share", "src"))
SYSTEM = tuple(map(Path, ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr")))
WHOLLY = frozenset(SYSTEM) - {Path("/usr")}
"""Those of which all that is below them is the system's, too."""


@dataclass(frozen=True)
class Ground:
    """The files that may come along: ``code``, and ``data`` with the reason if they must be named; ``refused`` with the
    reason why they never do. ``top`` is what places are relative to; ``limited`` says why data has to be named."""

    top: Path
    project: Path
    code: tuple[Path, ...]
    data: tuple[tuple[Path, str], ...]
    refused: tuple[tuple[Path, str], ...]
    limited: Optional[str] = None


def find_ground(plan: Plan, searched: Iterable[Path] = ()) -> Optional[Ground]:
    """Look at the files of the entry's ground; ``searched`` are more directories that its code imports from.

    None if the entry has none. Raises InputError if everything is asked for, and it is no project.
    """
    path = plan.entry.path
    if path is None or plan.entry.kind not in (EntryKind.SCRIPT, EntryKind.MODULE, EntryKind.PACKAGE):
        return None
    top = path.parent if plan.entry.kind is EntryKind.SCRIPT else path
    project = project_of(top)
    reason = no_project(top)
    if reason is not None and plan.own is Own.ALL:
        raise InputError(
            f"--own all: {top} is not a project's directory",
            why=reason,
            hint="move the application to a directory of its own, or name its files: --add-data SOURCE:DEST",
        )
    function = plan.entry.function or plan.entry.package
    if reason is None and function is not None and is_folder(top / function.partition(":")[0].partition(".")[0]):
        reason = "the application is a package"
    files = _Files(plan, top, project)
    if no_project(top) is None:
        files.walk(top)
    else:
        files.walk_packages(top)
    for folder in searched:
        if no_project(folder) is None:
            files.walk(folder)
    if files.number > MOST_FILES and reason is None:
        reason = f"it has more than {MOST_FILES} files"
    return Ground(top, project, tuple(files.code), tuple(files.data), tuple(files.refused), reason)


def project_of(top: Path) -> Path:
    """Return the directory of the project that ``top`` is in: the nearest with a project's file or a repository above
    it, else the directory above. A package is part of the project, whatever files it has."""
    while is_file(top / "__init__.py") and no_project(top.parent) is None:
        top = top.parent
    for folder in (top, *top.parents):
        if no_project(folder) is not None:
            break
        if any(is_file(folder / name) for name in PROJECT_MARKS) or os.path.lexists(folder / ".git"):
            return folder
    return top.parent if no_project(top.parent) is None else top


def no_project(top: Path) -> Optional[str]:
    """Say why a directory is plainly no project; None if it may be one."""
    home = Path(os.path.expanduser("~"))
    if top in SYSTEM or not WHOLLY.isdisjoint(top.parents):
        return "it is the system's"
    if top == Path("/") or top in home.parents:
        return "it contains homes"
    if any(is_file(top / name) for name in PROJECT_MARKS):
        return None
    if top == home or top.parent == Path("/home"):
        return "it is a home"
    if top in SHARED:
        return "all kinds of files are in it"
    if top.parent == home and top.name in HOME_FOLDERS:
        return f"{top.name} has files of all kinds"
    return None


class _Files:
    """Sorts the files of a ground."""

    def __init__(self, plan: Plan, top: Path, project: Path) -> None:
        self.top = top
        self._project = project.resolve()
        self.code: list[Path] = []
        self.data: list[tuple[Path, str]] = []
        self.refused: list[tuple[Path, str]] = []
        self.number = 0
        self._ignored = Ignored(top)
        self._excluded = plan.exclude_data
        required = named_files(plan)
        self._inputs = {*required.files, *plan.added_paths(), *plan.signing.inputs}
        self._elsewhere = required.sources | required.links
        target = plan.target(plan.name or "")
        self._outputs = {plan.output, target, plan.sbom, plan.signing.file_for(target)}
        if plan.image is not None:
            self._outputs.add(plan.image.output)

    def walk(self, top: Path) -> None:
        """Take the files at and below a directory."""
        if top != self.top:
            self._ignored = Ignored(top)
        sizes: dict[str, int] = {}
        begun = len(self.data)
        self._walk(top, top)
        for path, _ in self.data[begun:]:
            first = path.relative_to(top).parts[0]
            sizes[first] = sizes.get(first, 0) + path.stat().st_size
        heavy = {name for name, size in sizes.items() if size > LARGEST and not is_file(top / name / "__init__.py")}
        for number in range(begun, len(self.data)):
            path, reason = self.data[number]
            first = path.relative_to(top).parts[0]
            if first in heavy and not reason:
                self.data[number] = path, f"heavy: {first} has {human_size(sizes[first])}"

    def _walk(self, start: Path, top: Path) -> None:
        for directory, folders, files in source_folders(start):
            folder = Path(directory)
            if folder != top:
                self._ignored.enter(folder)
            self.number += len(files)
            if self.number > MOST_FILES:
                break
            entered = [name for name in folders if self._enters(folder / name)]
            links = [name for name in entered if is_link(folder / name)]
            folders[:] = [name for name in entered if name not in links]
            for name in files:
                self._sort(folder / name, folder == top)
            for name in links:
                if self._leads_aside(folder / name):
                    self._walk(folder / name, top)

    def _leads_aside(self, link: Path) -> bool:
        """Tell whether a link leads to another directory of the project, in which it is not itself."""
        target, here = link.resolve(), link.parent.resolve()
        return self._project in target.parents and target != here and target not in here.parents

    def walk_packages(self, top: Path) -> None:
        """Take the modules and regular packages of a directory that is no project, and nothing else of it."""
        names: list[str] = []
        with passing_over():
            names = sorted(os.listdir(top))
        for path in (top / name for name in names):
            if is_folder(path) and is_file(path / "__init__.py") and self._enters(path):
                for directory, folders, files in source_folders(path):
                    folders[:] = [name for name in folders if self._enters(Path(directory, name))]
                    for name in files:
                        self._sort(Path(directory, name), at_top=False)
            elif is_file(path) and path.suffix in CODE:
                self._sort(path, at_top=True)

    def _enters(self, path: Path) -> bool:
        name = path.name
        if name in SECRET_FOLDERS:
            self.refused.append((path, "a directory with secrets"))
        elif self._excludes(path):
            self.refused.append((path, "exclude-data"))
        elif self._ignored.has(path, directory=True):
            self.refused.append((path, "git ignores it"))
        elif not (name.startswith(".") or name in TOOL_FOLDERS or path in self._elsewhere):
            return not holds_tests(name, os.listdir(path) if os.access(path, os.R_OK | os.X_OK) else ())
        return False

    def _sort(self, path: Path, at_top: bool) -> None:
        name = path.name
        if not is_file(path) or path in self._outputs or path in self._inputs:
            return
        if not is_text(name):
            # PyInstaller writes names to files of text.
            self.refused.append((path, "its name is not UTF-8"))
            return
        secret = is_secret_name(name) or (is_link(path) and _leads_to_secret(path))
        if secret or (path.suffix not in CODE and has_private_key(path)):
            self.refused.append((path, "a secret"))
        elif self._excludes(path):
            self.refused.append((path, "exclude-data"))
        elif self._ignored.has(path, directory=False):
            self.refused.append((path, "git ignores it"))
        elif path.suffix == ".py":
            if not (at_top and (is_test(name) or name in ("setup.py", "conftest.py", "noxfile.py"))):
                self.code.append(path)
        else:
            if path.suffix in CODE:
                self.code.append(path)
            self.data.append((path, self._reason(path, at_top)))

    def _reason(self, path: Path, at_top: bool) -> str:
        """Say why a file comes along only if it is named; "" if it need not be."""
        name = path.name
        if path.stat().st_size > LARGEST:
            return f"larger than {human_size(LARGEST)}: {human_size(path.stat().st_size)}"
        if is_left_over(name):
            return "left behind by a program"
        if at_top and (name.startswith(".") or is_for_tools(name)):
            return "for those who work on the project"
        if at_top and ".so" not in name and path.stat().st_size and is_result(path):
            return "the result of a build"
        return ""

    def _excludes(self, path: Path) -> bool:
        try:
            inside = path.relative_to(self.top)
        except ValueError:
            return False
        places = [str(inside), *(str(folder) for folder in inside.parents)]
        return any(fnmatchcase(place, pattern.rstrip("/")) for place in places for pattern in self._excluded)


def _leads_to_secret(path: Path) -> bool:
    target = path.resolve()
    return is_secret_name(target.name) or bool(SECRET_FOLDERS & set(target.parts))
