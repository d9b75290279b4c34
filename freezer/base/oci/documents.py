"""The documents of untrusted images, and access to their parts, which may be missing or of another type."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Blob:
    """A layer: its member of the archive, and its fields in the documents. ``size`` is that of the member, in bytes; in
    docker's archives ``media_type`` is "" and ``digest`` may be None."""

    name: str
    digest: Optional[str]
    size: int
    media_type: str
    diff_id: Optional[str]


@dataclass(frozen=True)
class Image:
    """One image of an archive. ``config`` is its configuration, unchecked."""

    manifest_digest: Optional[str]
    config_digest: str
    config: dict[str, Any]
    names: tuple[str, ...]
    layers: tuple[Blob, ...]
    manifest: dict[str, Any]


def parse_document(data: bytes) -> Any:
    """Parse a JSON document. A key that occurs twice is an error: readers differ in which one they use.

    Raises ValueError or RecursionError if the text is not such a document.
    """
    return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def object_at(value: Any, key: str) -> dict[str, Any]:
    """Return the object under a key of an object; an empty one if either is something else."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def objects_at(value: Any, key: str) -> list[dict[str, Any]]:
    """Return the objects in the list under a key of an object, without its other members."""
    found = value.get(key) if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def strings(value: Any) -> tuple[str, ...]:
    """Return the members of a list as strings; no members if the value is not a list."""
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
