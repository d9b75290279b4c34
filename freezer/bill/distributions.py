"""The distributions in a build environment, as installers record them, and those of freezer's own environment.

What is installed with the tools of another system is not trusted: nothing is read outside of the environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional
from urllib.parse import quote

from freezer import __version__
from freezer.base.bill import Component
from freezer.system.rooted import names, opened

if TYPE_CHECKING:
    from email.message import Message

LICENSE_FILE = re.compile(r"(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*", re.IGNORECASE)
UNSTABLE = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
"""Files of a dist-info directory that depend on how it was installed."""
LARGEST = 64 << 20
"""Bytes of a file that are read."""
OUTSIDE = re.compile(r"^(\.\./)+")
DIGEST_OF = "the sorted paths and hashes in RECORD, without what depends on the installation"
LONGEST_NAME = 100
"""Characters of a licence's name; in older metadata the field may have the whole text."""


@dataclass(frozen=True)
class Distribution:
    """An installed distribution: its component, where it is installed, the paths of its files below that, and of those
    outside, below the environment."""

    component: Component
    site: Path
    files: frozenset[str]
    outside: frozenset[str]

    @property
    def tops(self) -> frozenset[str]:
        """Return the names of the directories at the top that it has files in."""
        return frozenset(name.partition("/")[0] for name in self.files if "/" in name)


def installed_in(home: Path, sites: Iterable[Path]) -> list[Distribution]:
    """Return what is installed in the directories ``sites`` of an environment; nothing outside ``home`` is read."""
    found = []
    for site in sites:
        for name in names(home, site):
            if name.endswith(".dist-info"):
                with contextlib.suppress(OSError):
                    found.append(_distribution(home, site, name))
    return found


def sites_of(home: Path) -> list[Path]:
    """Return the directories of a virtual environment that distributions are installed in."""
    return [home / "lib" / name / "site-packages" for name in names(home, home / "lib") if name.startswith("python")]


def _distribution(home: Path, site: Path, info: str) -> Distribution:
    fields = _fields(_text(home, site / info / "METADATA"))
    rows = _record(_text(home, site / info / "RECORD"))
    stable = sorted(
        f"{path} {digest}\n"
        for path, digest in rows
        if digest and not path.startswith("..") and path not in [f"{info}/{name}" for name in UNSTABLE]
    )
    texts = {}
    for path in sorted(_license_files(fields, info, [path for path, _ in rows])):
        with contextlib.suppress(OSError):
            texts[path.partition("/")[2]] = _text(home, site / path)
    sha256 = hashlib.sha256("".join(stable).encode("utf-8", "surrogateescape")).hexdigest()
    component = described(fields, texts, sha256=sha256)
    outside = frozenset(OUTSIDE.sub("", path) for path, _ in rows if path.startswith(".."))
    return Distribution(component, site, frozenset(path for path, _ in rows if not path.startswith("..")), outside)


def _text(home: Path, path: Path) -> str:
    """Return the text of a file: a RECORD of many files has some megabytes. Raises OSError."""
    with opened(home, path) as file:
        return file.read(LARGEST).decode("utf-8", "surrogateescape")


def _record(text: str) -> list[tuple[str, str]]:
    """Return the paths and hashes of a RECORD (a CSV file)."""
    import csv

    return [(row[0], row[1] if len(row) > 1 else "") for row in csv.reader(text.splitlines()) if row]


def _fields(metadata: str) -> Message:
    """Return the fields of core metadata. Most builds read none, and need not import what does."""
    import email.parser

    return email.parser.HeaderParser().parsestr(metadata)


def _license_files(fields: Message, info: str, paths: Iterable[str]) -> set[str]:
    """Return the files of licences: those that the metadata names, and those that are called so."""
    stated = set(fields.get_all("License-File") or ())
    found = set()
    for path in paths:
        folder, _, below = path.partition("/")
        if folder == info and (
            below in stated or below.removeprefix("licenses/") in stated or LICENSE_FILE.fullmatch(below.split("/")[-1])
        ):
            found.add(path)
    return found


def described(fields: Message, texts: dict[str, str], *, sha256: Optional[str] = None) -> Component:
    """Return the component of a distribution by its core metadata."""
    name, version = str(fields["Name"]), str(fields["Version"])
    expression = fields["License-Expression"]
    license_name = str(fields["License"] or "").strip()
    names_of = [license_name] if license_name and "\n" not in license_name and len(license_name) <= LONGEST_NAME else []
    if not names_of or license_name == "UNKNOWN":
        kinds = [item.split(" :: ") for item in fields.get_all("Classifier") or () if item.startswith("License :: ")]
        names_of = [item[-1] for item in kinds if item[-1] != "OSI Approved"]
    return Component(
        kind="library",
        name=name,
        version=version,
        purl=f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{quote(version, safe='.!-_')}",
        expression=str(expression) if expression else None,
        licenses=() if expression else tuple(names_of),
        texts=tuple(sorted(texts.items())),
        sha256=sha256,
        properties=(("freezer:sha256-of", DIGEST_OF),) if sha256 is not None else (),
    )


def of_freezer(name: str) -> Component:
    """Return the component of a distribution beside freezer, whose data or code goes into applications."""
    import importlib.metadata

    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        # freezer is started from its sources, or a system's package leaves the metadata out.
        return Component("library", name, __version__ if name == "static-freezer" else None)
    fields = _fields(found.read_text("METADATA") or found.read_text("PKG-INFO") or "")
    # Not by the list of its files, which takes ten times as long to read.
    places = [f"{folder}{file}" for file in fields.get_all("License-File") or () for folder in ("licenses/", "")]
    texts = {place: found.read_text(place) for place in places}
    return for_notices(described(fields, {place: text for place, text in texts.items() if text}))


def for_notices(component: Component) -> Component:
    """Return a component whose texts are in the notices only: what is in every application would make every bill
    three times as long."""
    return dataclasses.replace(component, texts=(), notice="\n\n".join(text for _, text in component.texts))
