"""An environment and a system, made up, for bills of materials; and reading bills without freezer."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from schemas import quick_jsonschema

METADATA = "Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}\nA description.\nLicense: not a field\n"


def distribution(site: Path, name: str, version: str, files: dict[str, str], *, more: str = "", **texts: str) -> None:
    """Install a distribution as pip does."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": METADATA.format(name=name, version=version, more=more),
        f"{info}/INSTALLER": "pip\n",
        **{f"{info}/licenses/{key}": text for key, text in texts.items()},
    }
    rows = []
    for path, text in contents.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}\n")
    rows += [f"{info}/RECORD,,\n", f"{name}/__pycache__/x.pyc,,\n"]
    (site / info / "RECORD").write_text("".join(rows))


def package(root: Path, name: str, version: str, *files: str, copyright_text: str = "", **fields: str) -> None:
    """Install a package as dpkg does; the files' content is their path."""
    database = root / "var/lib/dpkg"
    (database / "info").mkdir(parents=True, exist_ok=True)
    paragraph = {"Package": name, "Status": "install ok installed", "Architecture": "amd64", "Version": version}
    paragraph.update({"Maintainer": "Ada <ada@example.invalid>", **fields, "Description": "x\n Version: no field"})
    with open(database / "status", "a", encoding="utf-8") as status:
        status.write("".join(f"{key}: {value}\n" for key, value in paragraph.items()) + "\n")
    (database / "info" / f"{name}:amd64.list").write_text("/.\n" + "".join(f"{path}\n" for path in files))
    for path in files:
        # As a merged /usr has it.
        real = root / (path if path.startswith("/usr") else f"usr{path}").lstrip("/")
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_text(path)
    doc = root / "usr/share/doc" / name
    doc.mkdir(parents=True)
    (doc / "copyright").write_text(copyright_text)


def parts(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The components of a document by their names, the application's own with them."""
    found = [document["metadata"]["component"], *document["components"]]
    assert len({item["name"] for item in found}) == len(found)
    return {item["name"]: item for item in found}


def files_of(part: dict[str, Any]) -> list[str]:
    return [item["location"] for item in part.get("evidence", {}).get("occurrences", ())]


def valid(data: bytes) -> dict[str, Any]:
    """Validate a document in CycloneDX by the schema; what it says."""
    from cyclonedx.schema import SchemaVersion

    quick_jsonschema()
    from cyclonedx.validation.json import JsonStrictValidator

    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode("utf-8"))
    assert problem is None, problem
    return dict(json.loads(data))


def valid_spdx(data: bytes, folder: Path) -> dict[str, Any]:
    """Validate a document in SPDX with the tools of those who make the specification."""
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    path = folder / "valid.spdx.json"
    path.write_bytes(data)
    messages = validate_full_spdx_document(parse_file(str(path)))
    assert not messages, messages
    return dict(json.loads(data))
