"""The bill of materials as CycloneDX 1.6 (ECMA-424), in JSON: the same bytes for the same bill.

There is no time and no random number in it: the serial number follows from the content. It is written here rather than
by a library, since a build shall need no further packages, and bytes that no other version changes; tests validate it
by the schema.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from typing import Any

from freezer import __version__
from freezer.base.bill import Bill, Component

CPE = "cpe"
"""The property that is a member of its own."""


def render(bill: Bill) -> bytes:
    """Return the document."""
    subject = _component(bill.subject)
    components = [_component(item) for item in bill.components]
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": subject,
            "tools": {"components": [{"type": "application", "name": "freezer", "version": __version__}]},
        },
        "components": components,
        "dependencies": [{"ref": subject["bom-ref"], "dependsOn": sorted(item["bom-ref"] for item in components)}],
        "compositions": [{"aggregate": "complete", "assemblies": [subject["bom-ref"]]}],
    }
    digest = hashlib.sha256(_encoded(document)).digest()
    document["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}"
    return _encoded(document)


def _encoded(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8") + b"\n"


def reference(component: Component) -> str:
    """Return the name of a component within the document."""
    return component.purl or f"{component.kind}:{_text(component.name)}@{_text(component.version or '')}"


def _component(component: Component) -> dict[str, Any]:
    properties = [{"name": name, "value": _text(value)} for name, value in component.properties if name != CPE]
    evidence: dict[str, Any] = {}
    if component.files:
        evidence["occurrences"] = [{"location": _text(path)} for path in component.files]
    if component.texts:
        evidence["licenses"] = [
            {"license": {"name": _text(name), "text": {"contentType": "text/plain", "content": _text(text)}}}
            for name, text in component.texts
        ]
    fields = {
        "type": component.kind,
        "bom-ref": reference(component),
        "name": _text(component.name),
        "version": component.version,
        "purl": component.purl,
        "cpe": dict(component.properties).get(CPE),
        "supplier": {"name": _text(component.supplier)} if component.supplier else None,
        "licenses": _licenses(component),
        "hashes": [{"alg": "SHA-256", "content": component.sha256}] if component.sha256 else None,
        "evidence": evidence,
        "properties": properties,
    }
    return {key: value for key, value in fields.items() if value}


def _licenses(component: Component) -> list[dict[str, Any]]:
    if component.expression:
        return [{"expression": component.expression}]
    return [{"license": {"name": _text(name)}} for name in component.licenses]


def _text(text: str) -> str:
    """Return a text that JSON can state; bytes of file names that are not UTF-8 become "\\xNN"."""
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def unowned(document: dict[str, Any], files: Iterable[str]) -> list[str]:
    """Return the files that belong to no component of a document."""
    parts = [document["metadata"]["component"], *document["components"]]
    owned = {item["location"] for part in parts for item in part.get("evidence", {}).get("occurrences", ())}
    return sorted(path for path in files if _text(path) not in owned)
