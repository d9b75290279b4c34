"""What a bundle lacks, by the words of Python: a module, a file of the bundle, or a distribution's metadata."""

from __future__ import annotations

import enum
import os
import re
from typing import NamedTuple, Optional

from freezer.prove.faults import BUNDLE_PATH, NO_MODULE, reasons

NO_METADATA = re.compile(r"[Nn]o package metadata was found for '?(?P<name>[\w.-]+)|The '(?P<requirement>[\w.-]+)")
NO_LIBRARY = re.compile(r"(?P<name>[\w.+-]+\.so[\w.]*): cannot open shared object file")


class Kind(enum.Enum):
    """The kinds of things that a bundle may lack."""

    MODULE = "module"
    FILE = "file"
    METADATA = "metadata"


class Lack(NamedTuple):
    """A thing that a bundle lacks. ``name`` of a file is its path in the bundle; of metadata it is the distribution, ""
    if that is unknown."""

    kind: Kind
    name: str


def lack_in(kind: str, text: str) -> Optional[Lack]:
    """Return what is missing by the type and the text of an exception; None if it says nothing of the bundle."""
    module = NO_MODULE.search(text)
    if module:
        return Lack(Kind.MODULE, module["name"])
    if kind.endswith(("PackageNotFoundError", "DistributionNotFound")):
        named = NO_METADATA.search(text)
        return Lack(Kind.METADATA, (named["name"] or named["requirement"]) if named else "")
    places = list(BUNDLE_PATH.finditer(text))
    if not places or NO_LIBRARY.search(text):
        return None
    bundle = places[-1]
    quote = text[: bundle.start()][-1:]
    name = text[bundle.end() :]
    return Lack(Kind.FILE, os.path.normpath(name.rpartition(quote)[0] if quote in ("'", '"') else name.strip()))


def find_lack(said: str) -> Optional[Lack]:
    """Return what is missing by the last exception in the output, or one that it was raised from."""
    return next(filter(None, (lack_in(kind, text) for kind, text in reasons(said))), None)


def is_inside(path: str) -> bool:
    """Return whether a path is one of a thing in the bundle, and not the bundle itself."""
    return not os.path.isabs(path) and path.split("/", maxsplit=1)[0] not in (".", "..")
