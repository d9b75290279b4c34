"""What a project says of itself, from its core metadata (https://packaging.python.org/specifications/core-metadata/)."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

SOURCE_LABELS = ("source", "source code", "sourcecode", "repository", "code", "github", "gitlab")
HOME_LABELS = ("homepage", "home")
DOCUMENTATION_LABELS = ("documentation", "docs")


@dataclass(frozen=True)
class Metadata:
    """The fields of use to people who have only the result; None where the project does not state one.
    ``dependencies`` is Requires-Dist."""

    name: str
    version: Optional[str] = None
    summary: Optional[str] = None
    licenses: Optional[str] = None
    source: Optional[str] = None
    home: Optional[str] = None
    documentation: Optional[str] = None
    dependencies: tuple[str, ...] = ()


def parse_metadata(text: str) -> Metadata:
    """Read a METADATA file."""
    import email.parser

    fields = email.parser.HeaderParser().parsestr(text)

    def known(value: Optional[str]) -> Optional[str]:
        return value if value and value != "UNKNOWN" and "\n" not in value else None

    urls = {}
    for line in fields.get_all("Project-URL") or ():
        label, comma, place = line.partition(",")
        if comma:
            urls[label.strip().lower()] = place.strip()

    def url(labels: tuple[str, ...]) -> Optional[str]:
        return next((urls[label] for label in labels if label in urls), None)

    return Metadata(
        name=fields["Name"],
        version=known(fields["Version"]),
        summary=known(fields["Summary"]),
        licenses=known(fields["License-Expression"]) or known(fields["License"]),
        source=url(SOURCE_LABELS),
        home=url(HOME_LABELS) or known(fields["Home-page"]),
        documentation=url(DOCUMENTATION_LABELS),
        dependencies=tuple(fields.get_all("Requires-Dist") or ()),
    )


def revision(project: Path) -> Optional[str]:
    """Return the commit that is checked out in a project's git repository, read from its files; None if there is none.

    Not by git, which may be absent, and which refuses repositories of other users (gitrepository-layout(5)).
    """
    place = next((folder / ".git" for folder in (project, *project.parents) if (folder / ".git").exists()), None)
    if place is None:
        return None
    with contextlib.suppress(OSError, UnicodeError):
        if place.is_file():
            place = place.parent / place.read_text(encoding="utf-8").partition("gitdir:")[2].strip()
        common = place
        if (place / "commondir").is_file():
            common = place / (place / "commondir").read_text(encoding="utf-8").strip()
        head = (place / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref:"):
            head = _resolved(head[4:].strip(), (place, common)) or ""
        return head if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", head) else None
    return None


def _resolved(name: str, places: tuple[Path, ...]) -> Optional[str]:
    for place in places:
        if (place / name).is_file():
            return (place / name).read_text(encoding="utf-8").strip()
    packed = places[-1] / "packed-refs"
    for line in packed.read_text(encoding="utf-8").splitlines() if packed.is_file() else ():
        commit, _, known = line.partition(" ")
        if known == name:
            return commit
    return None
