"""The bill of materials as SPDX 2.3 (ISO/IEC 5962), in JSON: made of the document in CycloneDX."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from freezer.base.oci.model import timestamp

PURPOSES = {
    "application": "APPLICATION",
    "library": "LIBRARY",
    "platform": "FRAMEWORK",
    "operating-system": "OPERATING-SYSTEM",
    "file": "FILE",
}
DOCUMENT = "SPDXRef-DOCUMENT"
NONE = "NOASSERTION"


def render(document: Mapping[str, Any], created: int) -> bytes:
    """Return the document; ``created`` is in seconds since 1970, which SPDX asks for."""
    licenses: dict[str, dict[str, str]] = {}
    subject = document["metadata"]["component"]
    packages = [_package(part, licenses) for part in (subject, *document["components"])]
    tool = document["metadata"]["tools"]["components"][0]
    made = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": packages[0]["name"],
        # A name for the document that nobody else gives; it leads nowhere, as the specification permits.
        "documentNamespace": f"https://spdx.org/spdxdocs/{document['serialNumber'].rpartition(':')[2]}",
        "creationInfo": {"created": timestamp(created), "creators": [f"Tool: {tool['name']}-{tool['version']}"]},
        "packages": packages,
        "hasExtractedLicensingInfos": [licenses[name] for name in sorted(licenses)],
        "relationships": [
            _relationship(DOCUMENT, "DESCRIBES", packages[0]["SPDXID"]),
            *(_relationship(packages[0]["SPDXID"], "CONTAINS", item["SPDXID"]) for item in packages[1:]),
        ],
    }
    return json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8") + b"\n"


def _relationship(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _package(part: Mapping[str, Any], licenses: dict[str, dict[str, str]]) -> dict[str, Any]:
    name = re.sub("[^A-Za-z0-9.-]+", "-", part["name"])
    digest = hashlib.sha256(part["bom-ref"].encode()).hexdigest()[:12]
    found = [item["license"] for item in part.get("evidence", {}).get("licenses", ())]
    references = [
        {"referenceCategory": category, "referenceType": kind, "referenceLocator": part[key]}
        for category, kind, key in (("PACKAGE-MANAGER", "purl", "purl"), ("SECURITY", "cpe23Type", "cpe"))
        if key in part
    ]
    package = {
        "SPDXID": f"SPDXRef-{name}-{digest}",
        "name": part["name"],
        "versionInfo": part.get("version"),
        "downloadLocation": NONE,
        "filesAnalyzed": False,
        "licenseConcluded": NONE,
        "licenseDeclared": _declared(part, licenses),
        "copyrightText": NONE,
        "attributionTexts": [item["text"]["content"] for item in found],
        "primaryPackagePurpose": PURPOSES[part["type"]],
        "supplier": f"Organization: {part['supplier']['name']}" if "supplier" in part else None,
        "checksums": [{"algorithm": "SHA256", "checksumValue": item["content"]} for item in part.get("hashes", ())],
        "externalRefs": references,
    }
    return {key: value for key, value in package.items() if value or value is False}


def _declared(part: Mapping[str, Any], licenses: dict[str, dict[str, str]]) -> str:
    """Return the licence of a component as an expression; a name that is none of SPDX's becomes one of this
    document's."""
    stated = part.get("licenses", ())
    if not stated:
        return NONE
    if "expression" in stated[0]:
        return str(stated[0]["expression"])
    names = []
    for item in stated:
        name = item["license"]["name"]
        key = f"LicenseRef-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        licenses[key] = {"licenseId": key, "name": name, "extractedText": name}
        names.append(key)
    return " AND ".join(names)
