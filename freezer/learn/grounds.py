"""Where the files are that an application asks for: its own, its packages', Python's, or nobody's that counts.

What is told of a file is the same on every machine: its path below the directory that it belongs to.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.application.entry import Application
from freezer.application.ground import find_ground
from freezer.application.learnt_parts import import_roots, installed, is_of_tools, is_secret, package_folders, place_of
from freezer.application.never_taken import TEST_FILES, TEST_FOLDERS, holds_tests, is_for_tools, is_test
from freezer.base.places import is_folder, passing_over
from freezer.environment.venv import Environment
from freezer.plan.build import Plan
from freezer.plan.choices import EntryKind


class Owner(enum.Enum):
    """Whose a file is."""

    OWN = "the application's sources"
    WHEEL = "the project's wheel, which is unpacked for the build"
    PACKAGE = "a package's"
    STANDARD = "Python's"
    OTHER = "nobody's that counts"


@dataclass(frozen=True)
class Located:
    """A file: its owner, and its path below the owner's directory; that is "" for other files."""

    owner: Owner
    name: str


class Grounds:
    """The directories of one application. ``base`` is what its own files are relative to, ``tools`` has programs of the
    command's alone, and nothing below ``cache`` but the environment counts."""

    def __init__(
        self, plan: Plan, environment: Environment, application: Application, base: Path, tools: Path, cache: Path
    ) -> None:
        self.base = base
        self.packages = package_folders(environment)
        self._plan = plan
        self._application = application
        wheel = application.search if plan.entry.kind is EntryKind.PROJECT else ()
        prefix = environment.interpreter.prefix
        version = "python{}.{}".format(*environment.interpreter.version)
        standard = [prefix / lib / version for lib in ("lib", "lib64")]
        others = [tools, *(path / name for path in standard for name in ("site-packages", "dist-packages"))]
        tops = [
            *((path, Owner.OTHER) for path in others),
            *((path, Owner.PACKAGE) for path in self.packages),
            *((path, Owner.WHEEL) for path in wheel),
            (cache, Owner.OTHER),
            *((path, Owner.STANDARD) for path in standard),
            (base, Owner.OWN),
        ]
        # The innermost first; of the same one, what stands first.
        self._tops = sorted(
            ((os.path.join(os.path.realpath(path), ""), owner) for path, owner in tops), key=lambda item: -len(item[0])
        )
        self._roots = import_roots(plan, application)
        ground = find_ground(plan, [path for path in application.imported_from if path != base])
        self._refused = dict(ground.refused) if ground is not None else {}
        self._installed = installed(application, environment)
        self._outputs = {plan.output, plan.target(application.name)}
        self._located: dict[str, Located] = {}

    @property
    def watched(self) -> list[Path]:
        """Return the directories that facts are noted of, under all their names."""
        wheel = self._application.search
        found = dict.fromkeys((self.base, *self._roots, *self.packages, *wheel))
        return list(dict.fromkeys((*found, *(Path(os.path.realpath(path)) for path in found))))

    def located(self, path: str) -> Located:
        """Return whose a file is."""
        if path not in self._located:
            folder, last = os.path.split(path)
            real = os.path.join(os.path.realpath(folder), last)
            top = next((item for item in self._tops if real.startswith(item[0])), None)
            self._located[path] = Located(top[1], real[len(top[0]) :]) if top else Located(Owner.OTHER, "")
        return self._located[path]

    def own_path(self, located: Located) -> Path:
        """Return the path of an own file, below ``base``."""
        return self.base / located.name

    def place(self, located: Located) -> str:
        """Return the place in the bundle of a file, or of a directory."""
        if located.owner is Owner.OWN:
            return place_of(self.own_path(located), self._plan, self._application)
        return located.name

    def wheel_copy(self, located: Located) -> str:
        """Return the path of what the project's wheel has of one of its sources; "" if the entry is no project."""
        if self._plan.entry.kind is not EntryKind.PROJECT:
            return ""
        return os.path.join(os.path.realpath(self._application.search[0]), self.place(located))

    def is_test(self, located: Located) -> bool:
        """Tell whether a file is for testing the application, or is kept by tools beside its sources."""
        if located.owner is not Owner.OWN:
            return False
        *folders, name = located.name.split("/")
        path = self.base
        for folder in folders:
            path = path / folder
            if folder in TEST_FOLDERS and holds_tests(folder, _names(path)):
                return True
        if name in TEST_FOLDERS and holds_tests(name, _names(path / name)):
            return True
        return is_test(name) or name in TEST_FILES

    def refusal(self, located: Located) -> Optional[str]:
        """Say why an own file never comes along; None if it may."""
        path = self.own_path(located)
        for place in (path, *path.parents):
            if place in self._refused:
                return self._refused[place]
        return "a secret" if is_secret(path, self.base) else None

    def is_listed(self, located: Located, *, at_top: bool) -> bool:
        """Tell whether an own file counts when its directory is listed: tools' files at the top do not, nor those of a
        project of which its wheel has no neighbours."""
        name = os.path.basename(located.name)
        if at_top and (name.startswith(".") or is_for_tools(name)):
            return False
        if self._plan.entry.kind is not EntryKind.PROJECT:
            return True
        top, slash, _ = self.place(located).partition("/")
        return bool(slash) and any(is_folder(folder / top) for folder in self._application.search)

    def is_by_product(self, located: Located) -> bool:
        """Tell whether an own file is what a build or another tool has made, or keeps beside the sources."""
        path = self.own_path(located)
        return path in self._outputs or is_of_tools(path, self.base)

    def offers(self, group: str) -> list[tuple[str, str]]:
        """Return the modules that the environment's distributions offer in a group of entry points, each with the name
        of the directory that describes its distribution."""
        return [
            (entry.value.partition(":")[0].strip(), os.path.basename(str(getattr(item, "_path", ""))))
            for item in self._installed
            for entry in item.entry_points
            if entry.group == group
        ]

    def is_importable(self, located: Located, module: str) -> bool:
        """Tell whether the build finds an own module by its name, where this file is."""
        place = self.place(located)
        stem = os.path.join(*module.split("."))
        return place.startswith((stem + ".", os.path.join(stem, "__init__.")))

    def files_in(self, path: Path) -> Iterator[Path]:
        """Yield the files directly in a directory."""
        for name in _names(path):
            if not is_folder(path / name):
                yield path / name


def _names(path: Path) -> list[str]:
    with passing_over():
        return sorted(os.listdir(path))
    return []
