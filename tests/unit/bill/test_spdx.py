"""The document in SPDX, made of the one in CycloneDX."""

from __future__ import annotations

import json
from pathlib import Path

from bills import valid_spdx
from unit.bill.test_cyclonedx import BILL

from freezer.base.bill import Component
from freezer.bill import spdx
from freezer.bill.cyclonedx import render


def test_the_tools_of_the_specification(tmp_path: Path) -> None:
    bill = BILL.plus(Component("library", "two", "1", "pkg:pypi/two@1", expression="MIT OR Apache-2.0"))
    document = valid_spdx(spdx.render(json.loads(render(bill)), 1_700_000_000), tmp_path)
    assert document["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    packages = {item["name"]: item for item in document["packages"]}
    assert set(packages) == {"app", "One", "debian", "odd", "two"}
    assert packages["two"]["licenseDeclared"] == "MIT OR Apache-2.0"
    names = {item["licenseId"]: item["name"] for item in document["hasExtractedLicensingInfos"]}
    assert sorted(names.values()) == ["BSD", "MIT License"]
    assert {names[item] for item in packages["One"]["licenseDeclared"].split(" AND ")} == set(names.values())
    assert packages["One"]["attributionTexts"] == ["the \u00e9 text"]
    assert {item["referenceType"] for item in packages["One"]["externalRefs"]} == {"purl", "cpe23Type"}
    kinds = [item["relationshipType"] for item in document["relationships"]]
    assert kinds == ["DESCRIBES", *["CONTAINS"] * 4]


def test_the_same_bytes() -> None:
    document = json.loads(render(BILL))
    assert spdx.render(document, 0) == spdx.render(document, 0) != spdx.render(document, 1)
