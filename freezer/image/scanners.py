"""What scanners of images look for, made of the bill of materials: the packages of the system and of Python.

syft, trivy and grype read the records of package managers, and the first of them no bill of materials unless it is
asked to. So an image has, as distroless ones do, a record of each package of Debian's in /var/lib/dpkg/status.d and the
system's name in /etc/os-release; and where a distribution's own metadata is inside an executable, a copy of what
identifies it. None of it is for the application.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

STATUS = "var/lib/dpkg/status.d"
METADATA = "usr/share/python-metadata"
RELEASE = "etc/os-release"


def scanned(sbom: bytes, present: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each file; the names of directories of metadata in ``present`` are there."""
    packages = json.loads(sbom)["components"]
    for part in packages:
        purl, name, version = part.get("purl", ""), part["name"], part.get("version", "")
        properties = {item["name"]: item["value"] for item in part.get("properties", ())}
        if purl.startswith("pkg:deb/"):
            yield f"{STATUS}/{name}", _status(part, properties)
        elif purl.startswith("pkg:pypi/"):
            folder = f"{name.replace('-', '_')}-{version}.dist-info"
            if folder.lower() not in present:
                license_name = "".join(f"License: {item}\n" for item in _names(part)[:1])
                yield (
                    f"{METADATA}/{folder}/METADATA",
                    f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{license_name}",
                )
        elif part["type"] == "operating-system":
            title = properties.get("freezer:pretty-name", name)
            number = f'VERSION_ID="{version}"\n' if version else ""
            yield RELEASE, f'PRETTY_NAME="{title}"\nID={name}\n{number}'


def _names(part: dict[str, Any]) -> list[str]:
    return [item.get("expression") or item["license"]["name"] for item in part.get("licenses", ())]


def _status(part: dict[str, Any], properties: dict[str, str]) -> str:
    """Return a paragraph of dpkg's database (deb-control(5))."""
    source = properties.get("freezer:deb:source", part["name"])
    stated = properties.get("freezer:deb:source-version")
    fields = {
        "Package": part["name"],
        "Status": "install ok installed",
        "Maintainer": part.get("supplier", {}).get("name"),
        "Architecture": properties.get("freezer:deb:architecture"),
        "Source": (f"{source} ({stated})" if stated else source) if stated or source != part["name"] else None,
        "Version": part["version"],
        "Description": "a part of the application in this image",
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items() if value) + "\n"
