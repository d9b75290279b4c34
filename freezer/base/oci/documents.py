"""The documents of images that nobody vouches for: what is in them, whatever else should have been there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Optional


@dataclass(frozen=True)
class Blob:
    """A layer: the member of the archive it is, and what documents say of it. ``size`` is that of the member, in bytes;
    ``media_type`` is "" and ``digest`` the stated one or None in docker's archives."""

    name: str
    digest: Optional[str]
    size: int
    media_type: str
    diff_id: Optional[str]


@dataclass(frozen=True)
class Image:
    """One image of an archive. ``config`` is its configuration as it stands, whatever that is."""

    manifest_digest: Optional[str]
    config_digest: str
    config: dict[str, Any]
    names: tuple[str, ...]
    layers: tuple[Blob, ...]
    manifest: dict[str, Any]


def parse_document(data: bytes) -> Any:
    """A JSON document, in which no key stands twice, since readers differ in which of two they take.

    Raises ValueError or RecursionError if it is none.
    """
    return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def object_at(value: Any, key: str) -> dict[str, Any]:
    """The object under a key of what should be an object; an empty one if there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def objects_at(value: Any, key: str) -> list[dict[str, Any]]:
    """The objects in the list under a key of what should be an object; whatever else is in it is left out."""
    found = value.get(key) if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def strings(value: Any) -> tuple[str, ...]:
    """The members of what should be a list of strings, as strings; none if it is no list."""
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
