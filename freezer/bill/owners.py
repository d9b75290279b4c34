"""Whose each file of a bundle is: the application's, a distribution's, a package's of the system, the interpreter's.

A file counts by the place that it was collected from: by the RECORD of the distribution that installed it, or by the
database of the system's packages. What nothing accounts for becomes a component of its own, with its digest, so that
no file is left out.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Optional

from freezer.application.entry import Application
from freezer.base.bill import Bill, Component
from freezer.base.places import is_file, is_folder, is_link, walk
from freezer.base.publish import digest_file
from freezer.bill.debian import System, inside
from freezer.bill.distributions import for_notices, installed_in, of_freezer, sites_of
from freezer.closure.close import ClosedApp
from freezer.closure.provisions import LOCALES, TERMINFO
from freezer.environment.venv import Environment
from freezer.plan.build import Plan
from freezer.plan.choices import CONTENTS
from freezer.system.rooted import text_of, within

MODULES = "modules"
"""The archive of modules in a tree, in which every distribution with code has some."""
OF_PYTHON = ("lib-dynload", "_tcl_data", "_tk_data", "tcl8")
"""Directories of extension modules of the standard library, and of tkinter's data."""
OF_PYINSTALLER = ("base_library.zip",)
PYINSTALLER = "pyinstaller"


def with_bill(plan: Plan, environment: Environment, application: Application, closed: ClosedApp) -> ClosedApp:
    """Return a closed bundle with its bill."""
    return dataclasses.replace(closed, bill=make_bill(plan, environment, application, closed))


def make_bill(plan: Plan, environment: Environment, application: Application, closed: ClosedApp) -> Bill:
    """Return the bill of a closed bundle. What its containers add to it, ``contained`` adds to the bill."""
    owners = _Owners(plan, environment, application, closed)
    for path in files_of(closed.frozen.tree):
        owners.add(path)
    return owners.bill(notices=plan.notices)


def files_of(tree: Path) -> list[str]:
    """Return the files and links of a directory, by their paths below it."""
    found = []
    for directory, folders, names in walk(tree):
        links = [name for name in folders if is_link(os.path.join(directory, name))]
        found += [os.path.relpath(os.path.join(directory, name), tree) for name in (*names, *links)]
    return sorted(found)


class _Owners:
    """Finds the owner of each file, and collects the files of each component."""

    def __init__(self, plan: Plan, environment: Environment, application: Application, closed: ClosedApp) -> None:
        self._closed = closed
        self._root = environment.root.path
        self._system = System(self._root)
        home = environment.python.parent.parent
        self._installed = installed_in(home, sites_of(home))
        self._toolchain = installed_in(environment.toolchain, [environment.toolchain])
        self._by_path = {name: item for item in self._installed for name in (*item.files, *item.outside)}
        self._by_top = {top: item for item in self._installed for top in item.tops}
        self._prefix = environment.interpreter.prefix
        self._subject = _subject(application)
        self._python = self._interpreter(environment)
        self._own = _own_folders(plan, application)
        self._freezer = {name: of_freezer(name) for name in ("static-freezer", "tzdata", "certifi")}
        tools = [for_notices(item.component) for item in self._toolchain]
        self._pyinstaller = next(item for item in tools if item.name.lower() == PYINSTALLER)
        self._sources = self._places()
        self._packages = self._system.owners({place for places in self._sources.values() for place in places})
        self._components: dict[tuple[str, str, str], Component] = {}
        self._files: dict[tuple[str, str, str], set[str]] = {}

    def _interpreter(self, environment: Environment) -> Component:
        version = environment.interpreter.version_text
        text = ""
        place = self._prefix / "lib" / f"python{version.rpartition('.')[0]}" / "LICENSE.txt"
        if self._root in place.parents:
            try:
                text = text_of(self._root, place)
            except OSError:
                text = ""
        return Component(
            kind="platform",
            name="CPython",
            version=version,
            purl=f"pkg:generic/python@{version}",
            expression="PSF-2.0",
            notice=text,
            properties=(("cpe", f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*"),),
        )

    def _places(self) -> dict[str, tuple[str, ...]]:
        """Return the paths in the system that files of the bundle may be copies of."""
        tree = self._closed.frozen.tree
        found: dict[str, tuple[str, ...]] = {}
        for name, path in self._closed.sources.items():
            found[name] = self._in_system(path)
        for copy, folder in self._closed.frozen.origins.items():
            found[os.path.relpath(copy, tree)] = self._in_system(folder / copy.name)
        provisions = tree / CONTENTS / "_freezer"
        # There are none if the user wants none.
        for provided in files_of(provisions) if is_folder(provisions) else ():
            top, _, rest = provided.partition("/")
            below = rest.partition("/")[2] if top == "locale" else rest
            places = {"locale": LOCALES, "terminfo": TERMINFO}.get(top, ())
            # Those of charsets are known already.
            found.setdefault(f"{CONTENTS}/_freezer/{provided}", tuple(f"/{place}/{below}" for place in places))
        found["program"] = self._in_system(self._closed.python)
        return found

    def _in_system(self, path: Path) -> tuple[str, ...]:
        place = inside(self._root, path)
        if place is None:
            return ()
        real = inside(self._root, within(self._root, path))
        return tuple(dict.fromkeys(item for item in (real, place) if item is not None))

    def add(self, path: str) -> None:
        """Note a file of the bundle for its owner."""
        self._note(self._owner(path), path)

    def _note(self, component: Component, *files: str) -> None:
        self._components.setdefault(component.key, component)
        self._files.setdefault(component.key, set()).update(files)

    def _owner(self, path: str) -> Component:
        folder, _, below = path.partition("/")
        frozen = self._closed.frozen
        if folder != CONTENTS:
            below = ""
        # First, as a library that the user names is a package's all the same.
        packaged = self._package(path)
        if packaged is not None:
            return packaged
        if below in frozen.own_files or self._is_added(below):
            return self._subject
        if path == frozen.program.name or below in OF_PYINSTALLER:
            return self._pyinstaller
        provided = self._provided(below)
        if provided is not None:
            return provided
        if below not in self._by_path and self._is_of_python(path, below):
            return self._python
        found = self._by_path.get(below) or self._by_top.get(below.partition("/")[0])
        if found is not None:
            return found.component
        whole = frozen.tree / path
        unknown = Component("file", path, properties=(("freezer:origin", "unknown"),))
        if not is_link(whole):
            return dataclasses.replace(unknown, sha256=digest_file(whole))
        target = os.path.relpath(os.path.realpath(whole), os.path.realpath(frozen.tree))
        inner = not target.startswith(os.pardir) and is_file(frozen.tree / target) and target != path
        return self._owner(target) if inner else unknown

    def _is_added(self, below: str) -> bool:
        while below:
            if below in self._own:
                return True
            below = os.path.dirname(below)
        return False

    def _provided(self, below: str) -> Optional[Component]:
        """Return the owner of what freezer brings along for an empty root."""
        folder, _, rest = below.partition("/")
        if folder != "_freezer":
            return None
        names = {"zoneinfo": "tzdata", "zones": "tzdata", "cacert.pem": "certifi"}
        names.update(etc="static-freezer", charsets="static-freezer")
        name = names.get(rest.partition("/")[0])
        return self._freezer[name] if name is not None else None

    def _package(self, path: str) -> Optional[Component]:
        packages = (self._packages.get(place) for place in self._sources.get(path, ()))
        package = next((item for item in packages if item is not None), None)
        return self._system.component(package) if package is not None else None

    def _is_of_python(self, path: str, below: str) -> bool:
        if set(below.split("/")) & set(OF_PYTHON):
            return True
        if inside(self._root, self._prefix) == "/usr":
            return False  # what is below it is the system's
        frozen = self._closed.frozen
        places = [self._closed.sources.get(path), frozen.origins.get(frozen.tree / path)]
        return any(place is not None and self._prefix in (place, *place.parents) for place in places)

    def _used(self) -> Iterator[Component]:
        """Yield the distributions that code comes from, also those of the toolchain: hooks for packages are code."""
        sources = set(self._closed.frozen.sources)
        for item in (*self._installed, *self._toolchain):
            if any(item.site / name in sources for name in item.files):
                yield item.component if item in self._installed else for_notices(item.component)

    def bill(self, *, notices: bool) -> Bill:
        """Return the bill, sorted."""
        for item in self._used():
            self._note(item, MODULES)
        self._note(self._python, MODULES)
        self._note(self._pyinstaller, MODULES)
        self._note(self._freezer["static-freezer"], MODULES)
        program = self._package("program") or self._python
        self._note(program)
        system = self._system.operating_system()
        if system is not None and any(str(item.purl).startswith("pkg:deb/") for item in self._components.values()):
            self._note(system)
        self._note(self._subject, MODULES)
        subject = self._components.pop(self._subject.key).with_files(tuple(self._files[self._subject.key]))
        keys = sorted(self._components)
        components = tuple(self._components[key].with_files(tuple(self._files[key])) for key in keys)
        common = self._system.common_licenses(item.notice for item in components) if notices else ()
        return Bill(subject, components, keys.index(program.key), notices, common)


def _subject(application: Application) -> Component:
    about = application.metadata
    if about is None:
        return Component("application", application.name)
    licenses = (about.licenses,) if about.licenses else ()
    return Component("application", about.name, about.version, licenses=licenses)


def _own_folders(plan: Plan, application: Application) -> frozenset[str]:
    """Return the places in the bundle of what the user, or the application's own ground, adds to it."""
    named: Iterable[tuple[Path, str]] = (
        *plan.add_data,
        *plan.add_binary,
        *application.data,
        *application.learnt.data,
        *application.learnt.binaries,
        *((item.source, item.folder) for item in application.own.files),
        *((path, ".") for path in plan.libraries),
    )
    found = set()
    for source, folder in named:
        # A directory's content is put into the folder, a file keeps its name.
        place = os.path.normpath(folder if source.is_dir() else os.path.join(folder, source.name))
        if place != ".":
            found.add(place)
        else:
            found |= {item.name for item in source.iterdir()}
    return frozenset(found)
