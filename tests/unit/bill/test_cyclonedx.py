"""The document in CycloneDX: valid by the schema, and the same bytes for the same bill."""

from __future__ import annotations

import json
import os

from bills import files_of, parts, valid

from freezer.base.bill import Bill, Component
from freezer.bill.cyclonedx import reference, render, unowned

LIBRARY = Component(
    kind="library",
    name="One",
    version="1.0",
    purl="pkg:pypi/one@1.0",
    licenses=("MIT License", "BSD"),
    texts=(("LICENSE", "the \u00e9 text"),),
    sha256="a" * 64,
    supplier="Ada",
    properties=(("freezer:x", "y"), ("cpe", "cpe:2.3:a:python:python:3.11.2:*:*:*:*:*:*:*")),
    files=("_internal/one/x.so", os.fsdecode(b"_internal/one/\xff")),
)
BILL = Bill(
    Component("application", "app", "2", expression="MIT", files=("modules",)),
    (LIBRARY, Component("operating-system", "debian", "12"), Component("file", "odd", sha256="b" * 64, files=("odd",))),
    0,
)


def test_the_schema() -> None:
    document = valid(render(BILL))
    found = parts(document)
    assert set(found) == {"app", "One", "debian", "odd"}
    one = found["One"]
    assert [item["license"]["name"] for item in one["licenses"]] == ["MIT License", "BSD"]
    assert one["evidence"]["licenses"][0]["license"]["text"]["content"] == "the \u00e9 text"
    assert one["cpe"].startswith("cpe:2.3:a:python") and one["properties"] == [{"name": "freezer:x", "value": "y"}]
    assert found["app"]["licenses"] == [{"expression": "MIT"}]
    assert files_of(one) == ["_internal/one/x.so", "_internal/one/\\xff"]
    assert document["dependencies"][0]["dependsOn"] == sorted(reference(item) for item in BILL.components)


def test_the_same_bytes() -> None:
    assert render(BILL) == render(BILL)
    other = render(BILL.plus(Component("library", "two")))
    numbers = [json.loads(data)["serialNumber"] for data in (render(BILL), other)]
    assert numbers[0] != numbers[1]
    assert b"timestamp" not in other


def test_files_that_belong_to_nobody() -> None:
    document = json.loads(render(BILL))
    files = [path for item in (BILL.subject, *BILL.components) for path in item.files]
    assert unowned(document, files) == []
    assert unowned(document, [*files, "extra"]) == ["extra"]
    document["components"] = [item for item in document["components"] if item["name"] != "One"]
    assert unowned(document, files) == sorted(LIBRARY.files)
