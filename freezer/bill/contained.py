"""The bill of an application in its container: what linking adds to the bundle belongs to somebody, too."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Optional

from freezer.base.bill import Bill, Component
from freezer.bill.distributions import of_freezer
from freezer.bill.owners import MODULES

FREEZER = "static-freezer"
BUILDERS = (FREEZER, "pyinstaller")
"""The distributions whose modules start every application."""
MARK = re.compile(rb"@freezer:parts ([ -~]+)\0")
"""What freezer's own programs say of the libraries that are linked into them (freezer/link/launcher/parts.h)."""
LICENSES = {
    "zstd": ("BSD-3-Clause", "zstd.txt"),
    "musl": ("MIT", "musl.txt"),
    "glibc": ("LGPL-2.1-or-later", None),
}


def contained(
    bill: Bill,
    files: Iterable[str],
    own: Mapping[str, str],
    programs: Iterable[Path],
    links: Optional[Mapping[str, str]] = None,
) -> Bill:
    """Return the bill of a tree that has these files.

    ``own`` maps what is freezer's, and what starts the application, to "freezer" or "program". ``programs`` are those
    of freezer's that go into the container; ``links`` are of the linker's, with the files that they lead to, whose
    owners they share. Files that were left out of the tree belong to nobody.
    """
    links = links or {}
    there = frozenset(files)
    given = {
        "freezer": frozenset(path for path, owner in own.items() if owner == "freezer"),
        "program": frozenset(path for path, owner in own.items() if owner == "program"),
    }
    kept = []
    for number, item in enumerate(bill.components):
        files_of = {name for path in item.files for name in _there(item, path, there)}
        files_of |= given["freezer"] if item.name == FREEZER else set()
        files_of |= given["program"] if number == bill.program else set()
        files_of |= {link for link, target in links.items() if target in files_of}
        if files_of or not item.files:
            kept.append(dataclasses.replace(item, files=tuple(sorted(files_of))))
    owned = {name for path in bill.subject.files for name in _own(path, there)}
    owned |= {link for link, target in links.items() if target in owned}
    subject = dataclasses.replace(bill.subject, files=tuple(sorted(owned)))
    kept += [part for program in programs for part in linked_parts(program)]
    found = {item.key: item for item in kept}
    # The indexes are of the bill without a container.
    return dataclasses.replace(bill, subject=subject, components=tuple(found[key] for key in sorted(found)))


def _there(component: Component, path: str, files: frozenset[str]) -> list[str]:
    """Return the files of a tree that a path of a component means: its modules may be in one of several archives."""
    if path == MODULES and component.name not in BUILDERS and component.kind == "library":
        return [next((name for name in (f"{MODULES}.dependencies", MODULES) if name in files), MODULES)]
    return [path] if path in files else []


def _own(path: str, files: frozenset[str]) -> list[str]:
    if path == MODULES:
        return [next((name for name in (f"{MODULES}.application", MODULES) if name in files), MODULES)]
    return [path] if path in files else []


def linked_parts(program: Path) -> list[Component]:
    """Return the libraries that are linked into one of freezer's own programs."""
    match = MARK.search(program.read_bytes())
    return [_part(*word.partition("=")[::2]) for word in match[1].decode().split()] if match else []


def _part(name: str, version: str) -> Component:
    expression, file = LICENSES[name]
    texts: Optional[str] = None
    if file is not None:
        texts = Path(__file__).with_name("licenses").joinpath(file).read_text(encoding="utf-8")
    return Component(
        kind="library",
        name=name,
        version=version or None,
        purl=f"pkg:generic/{name}" + (f"@{version}" if version else ""),
        expression=expression,
        notice=texts or "",
        properties=(("freezer:linked-into", "freezer's launcher and init"),),
    )


def of_staticx(files: Iterable[str]) -> Component:
    """Return staticx's component: its start-up program, and the library that it adds to the tree."""
    return of_freezer("staticx").with_files(tuple(files))
