"""The bill of materials of an application: its components, and the files of each. Pure values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Optional

SBOM, NOTICES = "sbom.cdx.json", "NOTICES.txt"
"""The files of a tree with its bill of materials, and with the licences of its components."""
PAPERS = (SBOM, NOTICES)


@dataclass(frozen=True)
class Component:
    """One part. ``kind`` is a type of CycloneDX's; ``purl`` a package URL; ``expression`` a licence of SPDX's, and
    ``licenses`` are the names of licences where there is none. ``texts`` are (name, text) of its licences, ``notice``
    is a text that is too long for the bill. ``sha256`` is a digest, with what it is of in ``properties``. ``files`` are
    paths in the tree."""

    kind: str
    name: str
    version: Optional[str] = None
    purl: Optional[str] = None
    expression: Optional[str] = None
    licenses: tuple[str, ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    notice: str = ""
    sha256: Optional[str] = None
    supplier: Optional[str] = None
    properties: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """Return the values that components are sorted by, and known by."""
        return self.kind, self.name, self.version or ""

    def with_files(self, files: tuple[str, ...]) -> Component:
        """Return the component with further files."""
        return dataclasses.replace(self, files=tuple(sorted({*self.files, *files})))


@dataclass(frozen=True)
class Bill:
    """What an application, ``subject``, is made of. ``program`` is the index among ``components`` of the
    part that Python's program belongs to; with ``notices``, the texts of all licences shall
    come along, and ``common`` are (name, text) of those that Debian's own texts only refer to."""

    subject: Component
    components: tuple[Component, ...]
    program: int
    notices: bool = False
    common: tuple[tuple[str, str], ...] = ()

    def plus(self, *others: Component) -> Bill:
        """Return the bill with further components."""
        return dataclasses.replace(self, components=(*self.components, *others))
