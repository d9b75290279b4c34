"""What of a frozen application is its own, told by where the sources are: not what it depends on, nor Python's.

The environment has nothing of the application but its distribution, if it was installed there as published; all other
code that is neither the environment's nor Python's can only be the application's. Data and libraries come from
anywhere on the system, so that of them only what lies with the application's sources, or was given for it, counts.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable
from typing import TYPE_CHECKING, Optional

import boundary
import installed
import own_runs
import pyinstaller_internals as internals

if TYPE_CHECKING:
    from freeze_messages import FreezeRequest, OwnParts


class OwnSources:
    """The application's sources of one request. ``distribution`` is the one that has its entry point, or None."""

    def __init__(self, request: FreezeRequest, distribution: Optional[installed.Distribution]) -> None:
        schemes = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
        self.others = [
            _real(place) for place in (sys.prefix, request["runtime"], request["toolchain"], *filter(None, schemes))
        ]
        given = [source for source, _ in (*request["add_data"], *request["own_data"])]
        self.places = [_real(place) for place in (*request["search"], *request["local_packages"].values(), *given)]
        names = installed.names_of_files(distribution) if distribution else ()
        files = [str(distribution.locate_file(name)) for name in names] if distribution else []
        self.files = {_real(path) for path in (*files, *request["own_files"])}
        # What is written for the bundle is in it, too.
        info = (name.split("/")[0] for name in names)
        self.description = tuple({os.path.join(name, "") for name in info if name.endswith(".dist-info")})

    def has(self, path: str) -> bool:
        """Whether a file is the application's own for certain."""
        path = _real(path)
        # The environment may be below the directory that the sources are in, such as a home.
        return path in self.files or (_below(path, self.places) and not _below(path, self.others))

    def has_code(self, path: str) -> bool:
        """The same for a module: also if it is nobody else's."""
        return self.has(path) or not _below(_real(path), self.others)

    def of(self, analysis: internals.Analysis) -> OwnParts:
        """The names of modules, and of files the places in the bundle."""
        beside = analysis.binaries + analysis.datas
        modules = {name for name, path, _ in analysis.pure if path and os.path.isabs(path) and self.has_code(path)}
        files = {
            place
            for place, path, kind in beside
            if kind != internals.SYMLINK
            and (
                (self.has_code(path) if kind == internals.EXTENSION else self.has(path))
                or place.startswith(self.description)
            )
        }
        code = {name: path for name, path, _ in analysis.pure if name in modules and path}
        own = set(code.values())
        places = {place: path for place, path, _ in analysis.datas if path in own or self.has(path)}
        return {
            # The main script with a mark is no other than that.
            "modules": sorted(modules - {boundary.MARKED}),
            "files": sorted(files),
            "code": code,
            "places": places,
            "run": own_runs.have_run(),
        }


def of_distribution(found: installed.Inventory, name: Optional[str]) -> Optional[installed.Distribution]:
    """The distribution of that name in an inventory; None if there is none."""
    return found.distributions.get(installed.canonical(name)) if name else None


def _real(path: str) -> str:
    """The path without links above the file, which itself may be one into a package manager's store."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)


def _below(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(place.rstrip("/") + "/") for place in places)
