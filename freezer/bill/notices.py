"""The notice file: the components with their licences and the texts of these, for handing an application on.

Many licences ask for their text to come along, and the LGPL for a notice of each library that it is for. A text that
several components share is there once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

RULE = "=" * 78
LACKING = "The system that this was built in had no text of the licence."
MISSING = "The text of the licence is not in the file that this was made of; --notices puts it there."


def render(
    document: Mapping[str, Any], texts: Optional[Mapping[str, str]] = None, common: Iterable[tuple[str, str]] = ()
) -> str:
    """Return the notices for a bill of materials in CycloneDX. ``texts`` are further ones, by the components'
    references, None where only the bill is at hand; ``common`` are (name, text) of licences that they only refer to."""
    subject = document["metadata"]["component"]
    parts = [part for part in document["components"] if part["type"] not in ("operating-system", "file")]
    lines = [f"{_title(subject)} contains the following components.", ""]
    lines += [f"- {_title(part)}: {_licenses(part)}" for part in parts]
    seen: dict[str, str] = {}
    for part in parts:
        lines += ["", RULE, _title(part), f"Licence: {_licenses(part)}", *_source(part)]
        found = [item["license"]["text"]["content"] for item in part.get("evidence", {}).get("licenses", ())]
        further = (texts or {}).get(part["bom-ref"])
        found += [further] if further else []
        for text in found:
            known = seen.setdefault(text, _title(part))
            lines += ["", f"The same text as of {known}." if known != _title(part) else text.strip("\n")]
        if not found:
            lines += ["", MISSING if texts is None else LACKING]
    for name, text in common:
        lines += ["", RULE, f"/usr/share/common-licenses/{name}, which texts above refer to", "", text.strip("\n")]
    return "\n".join(lines) + "\n"


def _title(part: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (part["name"], part.get("version"))))


def _licenses(part: Mapping[str, Any]) -> str:
    stated = [item.get("expression") or item["license"]["name"] for item in part.get("licenses", ())]
    return ", ".join(stated) or "see below"


def _source(part: Mapping[str, Any]) -> list[str]:
    """Return where the sources of a Debian package are, which some licences ask for."""
    properties = {item["name"]: item["value"] for item in part.get("properties", ())}
    source = properties.get("freezer:deb:source")
    if source is None:
        return []
    return [f"Source: Debian's source package {source} {properties.get('freezer:deb:source-version', part['version'])}"]
