"""Charsets: modules of the C library that convert other charsets than Unicode's and ASCII, copied into the bundle.

The C library loads them for locales such as ``de_DE.ISO-8859-1``, and for iconv(3). They fit only the C library that
they were built with, so they are of the same system. There are hundreds, with eight megabytes; so only those come along
that code names, or the user. ``start.so`` (freezer/link/launcher/start.c) tells the C library where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from freezer.base.elf import read_elf
from freezer.base.errors import InputError
from freezer.closure.provisions import Provided, size_of
from freezer.plan.choices import CONTENTS
from freezer.system.rooted import copy_file, is_file, names, opened, place, text_of

ALL, NONE = "all", "none"
"""What may be named in place of a charset."""
CHARSETS = "charsets"
"""The name of this provision, and of its directory beside the others'."""
CONFIGURATION = "gconv-modules"
INTERNAL = "INTERNAL"
"""The name of what everything is converted to and from: the C library's wide characters."""
BUILT_IN = re.compile(r"(UTF|UCS|UNICODE|ISO-?10646).*|(ANSI_X3\.4|ISO646-US|ISO_?646).*|(US-?)?ASCII", re.IGNORECASE)
"""Charsets that every C library converts without a module."""

_PLACE = re.compile(rb"(?<=\0)(/[\w./-]+/gconv)(?=\0)")


@dataclass(frozen=True)
class Charsets:
    """What came along: that, with its size, if it is anything; the files in the system that those of the bundle are
    copies of, by their paths in the tree; and names that this system does not know."""

    provided: tuple[Provided, ...] = ()
    sources: Mapping[str, Path] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()


class Modules:
    """The modules of a system, by the C library's configuration (iconvconfig(8))."""

    def __init__(self, root: Path, directories: Iterable[Path]) -> None:
        self.root = root
        self.folder = _folder_of(root, directories)
        self.aliases: dict[str, str] = {}
        self.rows: list[tuple[str, str, str, str]] = []
        for path in self._configurations():
            for line in text_of(root, path).splitlines():
                self._read(line.partition("#")[0].split())

    def _configurations(self) -> Iterator[Path]:
        if self.folder is not None and is_file(self.root, self.folder / CONFIGURATION):
            yield self.folder / CONFIGURATION
            more = self.folder / f"{CONFIGURATION}.d"
            yield from (more / name for name in names(self.root, more) if name.endswith(".conf"))

    def _read(self, words: Sequence[str]) -> None:
        if len(words) >= 3 and words[0] == "alias":
            self.aliases[words[1]] = words[2]
        elif len(words) >= 4 and words[0] == "module":
            self.rows.append((words[1], words[2], words[3], words[4] if len(words) > 4 else "1"))

    def real_name(self, name: str) -> str:
        """Return the name that the configuration has for a charset, however it was spelled."""
        wanted = f"{name.upper()}//"
        real = self.aliases.get(wanted, wanted)
        # As the C library compares names of locales: de_DE.iso88591 is de_DE.ISO-8859-1.
        alike = (item for item in self.known() if _squeezed(item) == _squeezed(real))
        return real if real in self.known() else next(alike, real)

    def known(self) -> frozenset[str]:
        """Return the charsets that there are modules for."""
        return frozenset(name for row in self.rows for name in row[:2]) - {INTERNAL}

    def file(self, module: str) -> Path:
        """Return the file of a module."""
        assert self.folder is not None
        return self.folder / (module if module.endswith(".so") else f"{module}.so")


def bring_charsets(wanted: Iterable[str], named: Iterable[str], modules: Modules, contents: Path) -> Charsets:
    """Copy the modules of charsets below ``contents``: those that the user has ``wanted``, and those that code has
    ``named``. Raises InputError for a wanted one that the system does not know."""
    asked, known = frozenset(wanted), modules.known()
    if NONE in asked:
        return Charsets()
    chosen = set()
    lacking = []
    for name in sorted(known if ALL in asked else (asked | frozenset(named))):
        real = name if ALL in asked else modules.real_name(name)
        if real in known:
            chosen.add(real)
        elif BUILT_IN.fullmatch(name) is None:
            lacking.append(name)
    if ALL in asked and not known:
        lacking.append(ALL)
    for name in lacking:
        if name in asked:
            raise InputError(
                f"--charset {name}: the C library of the system that it is built in does not know it",
                hint="iconv -l lists the charsets; distributions have some of their modules in a package of its own",
            )
    if not chosen:
        return Charsets(lacking=tuple(lacking))
    target = contents / "_freezer" / CHARSETS
    copied = _copied(frozenset(chosen), modules, target)
    sources = {f"{CONTENTS}/_freezer/{CHARSETS}/{name}": path for name, path in copied.items()}
    return Charsets((Provided(CHARSETS, size_of(target)),), sources, tuple(lacking))


def _copied(chosen: frozenset[str], modules: Modules, target: Path) -> dict[str, Path]:
    """Copy modules, and what they need of their own directory, and write the configuration. Return the files that the
    copies are of, by their names."""
    target.mkdir(parents=True)
    known = {*chosen, INTERNAL}
    rows = [row for row in modules.rows if row[0] in known and row[1] in known]
    todo = sorted({modules.file(row[2]).name for row in rows})
    sources: dict[str, Path] = {}
    assert modules.folder is not None
    while todo:
        name = todo.pop()
        source = modules.folder / name
        if name in sources or not is_file(modules.root, source):
            continue
        copy_file(modules.root, source, target / name)
        (target / name).chmod(0o755)
        sources[name] = source
        todo += read_elf(target / name).needed
    lines = [f"alias {alias} {real}" for alias, real in modules.aliases.items() if real in chosen]
    lines += ["module " + " ".join(row) for row in rows]
    (target / CONFIGURATION).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return sources


def _squeezed(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name)


def _folder_of(root: Path, directories: Iterable[Path]) -> Optional[Path]:
    """Return the directory where the C library of a system looks for its modules. It is a text in the library."""
    for directory in directories:
        if is_file(root, directory / "libc.so.6"):
            with opened(root, directory / "libc.so.6") as file:
                found = _PLACE.search(file.read())
            return place(root, found[1].decode()) if found else None
    return None
