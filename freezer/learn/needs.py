"""What an application needs besides what a build brings: the facts of a run, less all that does not matter.

A fact counts if the code that asked will be part of the application: it is in the bundle already, or a module that is
itself needed. So what a test runner imports for itself does not count, nor what tests ask for, but what the application
asks for while they run does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from freezer.base.elf import read_elf
from freezer.base.elf_file import NotElf
from freezer.base.places import is_file, is_folder, is_text
from freezer.learn.alive import counted, is_alive
from freezer.learn.brought import Brought, path_without_links
from freezer.learn.facts import Fact
from freezer.learn.grounds import Grounds, Located, Owner
from freezer.learn.import_lines import ImportLines
from freezer.learn.opens import NATIVE
from freezer.plan.learned import Learned

NO_ASKER = {
    "": "a process that it started",
    "mapped": "mapped into memory",
    "swept": "another way of importing",
    NATIVE: "code that is not Python's",
}
"""What stands for the place that asked where none is known, by the kind of the fact."""
OF_THE_C_LIBRARY = ("libnss_", "libgcc_s", "ld-linux", "libc.so", "libm.so", "libdl.so", "libpthread.so", "libpython")
OF_THE_HARDWARE = (
    "libGL",
    "libEGL",
    "libOpenGL",
    "libOpenCL",
    "libvulkan",
    "libcuda.",
    "libnvidia-ml",
    "libdrm",
    "libgbm",
)
"""Beginnings of the names of libraries that come from where the application runs."""
SYSCONFIG_DATA = "_sysconfigdata_"
"""The beginning of the name of a module that is called after the machine."""
NEVER = ("sitecustomize", "usercustomize", "_freezer_notes", "_freezer_watch", "__main__", "__mp_main__")
ENTRY_POINTS = "entry_points.txt"
MODULE = re.compile(r"\w+(\.\w+)*")


class Needs:
    """Collects what is needed: ``tables`` are those of ``Learned``, ``first`` the modules that code of the bundle asks
    for, ``left_out`` files that never come along, with the reason; ``programs``, ``variables`` and ``unseen`` what is
    told to people alone, with the place that asked."""

    def __init__(self, grounds: Grounds, brought: Brought, began: int, excluded: Iterable[str] = ()) -> None:
        self.grounds, self.brought, self.began = grounds, brought, began
        self._excluded = tuple(excluded)
        self.tables: dict[str, dict[str, str]] = {name: {} for name in Learned.__dataclass_fields__}
        self.first: set[str] = set()
        self.left_out: dict[str, str] = {}
        self.programs: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.unseen: dict[str, str] = {}
        self._wrote: set[str] = set()
        self._by_path: set[str] = set()
        self._imports = ImportLines()

    def learned(self, path: Path) -> Learned:
        """Return what is needed as the content of a file."""
        tables = {name: table for name, table in self.tables.items() if name not in ("path", "base")}
        return Learned(path, self.grounds.base, **tables)

    def take(self, facts: tuple[Fact, ...]) -> None:
        """Take what is needed of all facts."""
        self._wrote |= {fact.name for fact in facts if fact.kind == "write"}
        origins = {fact.more for fact in facts if fact.kind in ("module", "swept")}
        self._by_path |= {fact.name for fact in facts if fact.kind == "loaded"} - origins
        take: dict[str, Callable[[Fact], None]] = {
            "module": self._module,
            "swept": self._swept,
            "read": self._file,
            "loaded": self._loaded,
            "list": self._listing,
            "library": self._library,
            "group": self._group,
            "program": self._program,
            "variable": self._variable,
            "unseen": lambda fact: self._tell(self.unseen, os.path.basename(fact.name), fact),
        }
        for fact in counted(facts, self.brought.sources, self.grounds):
            handler = take.get(fact.kind)
            if handler is not None:
                handler(fact)
        self._mapped([fact for fact in facts if fact.kind == "mapped"], facts)
        for fact in facts:
            if fact.kind == NATIVE:
                self._native(fact)

    def where(self, fact: Fact) -> str:
        """Return the place that asked, as it is told on every machine."""
        asker = self.grounds.located(fact.asker) if fact.asker else None
        if asker is None or not asker.name:
            return NO_ASKER.get(fact.kind, NO_ASKER[""])
        return f"{asker.name}:{fact.line}"

    def _put(self, table: str, name: str, fact: Fact) -> None:
        if is_text(name):
            self.tables[table].setdefault(name, self.where(fact))

    def _tell(self, told: dict[str, str], name: str, fact: Fact) -> None:
        if fact.asker and self.grounds.located(fact.asker).owner is Owner.OWN and is_text(name):
            told.setdefault(name, self.where(fact))

    def _program(self, fact: Fact) -> None:
        """Tell of a program that is the host's: a Python is the application itself."""
        name = os.path.basename(fact.name)
        gone = os.path.isabs(fact.name) and not is_file(fact.name)
        if not name.startswith("python") and not gone:
            self._tell(self.programs, name, fact)

    def _variable(self, fact: Fact) -> None:
        """Tell of a variable. The standard library looks for programs in PATH, and has private ones of its own."""
        if fact.name != "PATH" and not fact.name.startswith("_PYTHON"):
            self._tell(self.variables, fact.name, fact)

    def _module(self, fact: Fact) -> None:
        name = fact.name
        if name in self.brought.modules or name.partition(".")[0] in NEVER or not os.path.isabs(fact.more):
            return
        if not MODULE.fullmatch(name) or name.startswith(SYSCONFIG_DATA) or self._is_seen(fact):
            return
        if any(name == item or name.startswith(item + ".") for item in self._excluded):
            return
        located = self.grounds.located(fact.more)
        if located.owner is Owner.OTHER or self.grounds.is_test(located):
            return
        if located.owner is Owner.OWN and self._is_made(fact.more):
            return
        if located.owner is Owner.OWN and not self.grounds.is_importable(located, name):
            # Imported from a directory that the code finds by itself: there it finds the source again.
            self._own_file(located, fact)
        else:
            self._put("modules", name, fact)
            if not fact.asker or is_alive(fact.asker, self.brought.sources, self.grounds):
                self.first.add(name)

    def _is_seen(self, fact: Fact) -> bool:
        """Tell whether a build sees the import, once it has the module with the statement; not if that is a file."""
        in_bundle = is_alive(fact.asker, self.brought.sources, self.grounds)
        return not in_bundle and fact.asker not in self._by_path and self._imports.has(fact.asker, fact.line)

    def _swept(self, fact: Fact) -> None:
        """Take a module that another finder than Python's has found, if it is the application's own."""
        if self.grounds.located(fact.more).owner is Owner.OWN:
            self._module(fact)

    def _loaded(self, fact: Fact) -> None:
        """Take a source that is loaded by its path, unless it is that of a module which is known by its name."""
        if fact.name in self._by_path:
            self._file(fact)

    def _file(self, fact: Fact) -> None:
        located = self.grounds.located(fact.name)
        path = Path(fact.name)
        if is_folder(path):
            self._listing(fact)
        elif is_file(path) and not self._is_made(fact.name):
            if located.owner is Owner.PACKAGE:
                self._package_file(located, fact)
            elif located.owner is Owner.OWN and not self._is_started(fact):
                self._own_file(located, fact)

    def _native(self, fact: Fact) -> None:
        """Take a file that code in C has opened, if it is the application's own or of a package that is part of it."""
        located = self.grounds.located(fact.name)
        if located.owner is Owner.OWN or self.brought.has_top(located.name.partition("/")[0]):
            self._file(fact)

    def _is_started(self, fact: Fact) -> bool:
        """Tell whether Python itself has read a source to run it, which is in the bundle as code."""
        return not fact.asker and path_without_links(fact.name) in self.brought.sources

    def _is_made(self, path: str) -> bool:
        """Tell whether a file was made during the run, and perhaps removed again: by tests, or as a result."""
        return path in self._wrote or not is_file(path) or self._is_new(Path(path))

    def _is_new(self, path: Path) -> bool:
        """Tell whether a file has been written since the command began."""
        return path.stat().st_mtime_ns >= self.began

    def _own_file(self, located: Located, fact: Fact) -> None:
        if self.grounds.is_test(located) or self.grounds.is_by_product(located):
            return
        reason = self.grounds.refusal(located)
        if reason is not None:
            self.left_out.setdefault(located.name, f"{reason}; asked for at {self.where(fact)}")
        elif not self.brought.has(self.grounds.place(located)):
            self._put("files", located.name, fact)

    def _package_file(self, located: Located, fact: Fact) -> None:
        first, _, rest = located.name.partition("/")
        if first.endswith((".dist-info", ".egg-info")):
            if os.path.basename(rest) != ENTRY_POINTS and not self.brought.has(first):
                self._put("metadata", first.partition("-")[0].removesuffix(".egg-info"), fact)
        elif rest and not self.brought.has(located.name) and (not located.name.endswith(".py") or fact.more):
            # Modules are in an archive; their sources are files only if somebody reads them.
            self._put("package_files", located.name, fact)

    def _listing(self, fact: Fact) -> None:
        located = self.grounds.located(fact.name)
        path = Path(fact.name)
        if not is_folder(path) or self.grounds.is_test(located):
            return
        if located.owner is Owner.PACKAGE and "/" in located.name:
            asker = self.grounds.located(fact.asker) if fact.asker else None
            top = located.name.partition("/")[0]
            # A program that watches all files for changes looks into every package.
            if asker is None or (asker.owner is not Owner.OWN and not asker.name.startswith(top + "/")):
                return
            files = [item for item in self.grounds.files_in(path) if item.suffix != ".pyc"]
            if any(not self.brought.has(f"{located.name}/{item.name}") for item in files):
                self._put("package_files", located.name + "/", fact)
        elif located.owner is Owner.OWN or path == self.grounds.base:
            self._own_listing(path, located, fact)

    def _own_listing(self, path: Path, located: Located, fact: Fact) -> None:
        at_top = located.owner is not Owner.OWN
        for item in self.grounds.files_in(path):
            child = Located(Owner.OWN, item.name if at_top else f"{located.name}/{item.name}")
            counts = self.grounds.is_listed(child, at_top=at_top)
            if not counts or str(item) in self._wrote or self._is_new(item) or self.grounds.is_test(child):
                continue
            reason = self.grounds.refusal(child)
            if reason is not None or self.grounds.is_by_product(child) or self.brought.has(self.grounds.place(child)):
                continue
            self._put("files", child.name if at_top else located.name + "/", fact)

    def _group(self, fact: Fact) -> None:
        """Take a group of entry points, if a build does not bring all that is offered in it."""
        for module, description in self.grounds.offers(fact.name):
            if module not in self.brought.modules or not self.brought.has(description):
                self._put("entry_points", fact.name, fact)

    def _library(self, fact: Fact) -> None:
        name = os.path.basename(fact.name)
        if name in self.brought.libraries or name.startswith((*OF_THE_C_LIBRARY, *OF_THE_HARDWARE)):
            return
        located = self.grounds.located(fact.name) if "/" in fact.name else Located(Owner.OTHER, "")
        if located.owner is Owner.PACKAGE:
            self._put("package_files", located.name, fact)
        elif located.owner is Owner.OWN:
            self._own_file(located, fact)
        elif located.owner is Owner.OTHER and ".so" in name:
            self._put("libraries", name, fact)

    def _mapped(self, mapped: list[Fact], facts: tuple[Fact, ...]) -> None:
        """Take libraries and files that C code has opened: mapped, but no module, and needed by no other library."""
        announced = {fact.more for fact in facts if fact.kind in ("module", "swept")}
        announced |= {fact.name for fact in facts if fact.kind in ("library", "read")}
        needed: set[str] = set()
        for fact in mapped:
            try:
                needed |= {os.path.basename(soname) for soname in read_elf(Path(fact.name)).needed}
            except (NotElf, OSError):
                continue
        for fact in mapped:
            name = os.path.basename(fact.name)
            if fact.name in announced or name in announced or name in needed or not is_file(fact.name):
                continue
            located = self.grounds.located(fact.name)
            if ".so" in name:
                of_application = located.owner is Owner.OWN or self.brought.has_top(located.name.partition("/")[0])
                if _soname(Path(fact.name)) not in needed and of_application and located.owner is not Owner.OTHER:
                    self._library(fact)
            elif located.owner in (Owner.OWN, Owner.PACKAGE):
                self._file(fact)


def _soname(path: Path) -> str:
    try:
        return read_elf(path).soname or path.name
    except (NotElf, OSError):
        return path.name
