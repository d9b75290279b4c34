"""What is said of a result: of its file, and of its image; by somebody, or by nobody."""

from __future__ import annotations

import json
from pathlib import Path

from signing import SBOM, check_statement, made, payload_of, provenance
from support import sha256

from freezer.base.oci.model import OCI, Descriptor, digest
from freezer.base.oci.reference import parse_reference
from freezer.plan.resolve import resolve_for_image
from freezer.sign import cosign
from freezer.sign.crypto import Signer
from freezer.sign.envelope import IN_TOTO
from freezer.sign.provenance import Provenance, byproducts, image_of_existing_made, index_made

IMAGE = Descriptor(OCI.manifest, "sha256:" + "a" * 64, 700)
NAME = parse_reference("team/app:1.2")


def test_subjects(tmp_path: Path, signer: Signer) -> None:
    (tmp_path / "x").write_text("content")
    whole = Provenance(made(), None).of_file(tmp_path / "x", "app").of_image("team/app:1.2", IMAGE.digest)
    document = json.loads(whole.render())
    check_statement(document)
    assert document["subject"] == [
        {"name": "app", "digest": {"sha256": sha256(tmp_path / "x")}},
        {"name": "docker.io/team/app", "digest": {"sha256": "a" * 64}},
    ]
    signed = Provenance(made(), signer).of_file(tmp_path / "x", "app").of_image("team/app:1.2", IMAGE.digest)
    assert payload_of(signed.render()) == document
    signed.write(tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == signed.render()


def test_what_goes_into_an_image(signer: Signer, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("content")
    found = provenance(signer).of_file(tmp_path / "x", "app").attached(NAME, IMAGE, SBOM)
    assert [item.artifact_type for item in found] == [
        *(cosign.SIGNATURE_KIND, cosign.ATTESTATION_KIND, cosign.CYCLONEDX)
    ]
    envelope = next(data for data in found[1].blobs.values() if b"payloadType" in data)
    assert [item["name"] for item in payload_of(envelope)["subject"]] == ["app", "docker.io/team/app"]
    assert found[2].blobs[digest(SBOM)] == SBOM
    assert [item.artifact_type for item in provenance(None).attached(NAME, IMAGE)] == [IN_TOTO]


def test_an_image_of_an_existing_executable(tmp_path: Path) -> None:
    for name in ("app", "file"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder").mkdir()
    files = [f"{tmp_path}/file:/etc/x", f"{tmp_path}/folder:/etc/y"]
    plan = resolve_for_image({"output": "x.tar", "add_file": files}, folder=tmp_path, environ={})
    how = image_of_existing_made(plan, tmp_path / "app", SBOM)
    document = json.loads(Provenance(how, None).of_image("app:1", IMAGE.digest).render())
    check_statement(document)
    definition = document["predicate"]["buildDefinition"]
    assert definition["buildType"] == "pkg:pypi/static-freezer#image/v1"
    assert [(item["name"], item["digest"]["sha256"]) for item in definition["resolvedDependencies"]] == [
        ("app", sha256(tmp_path / "app")),
        ("/etc/x", sha256(tmp_path / "file")),
    ]
    assert document["predicate"]["runDetails"]["byproducts"] == list(byproducts(SBOM))
    assert byproducts(None) == ()


def test_an_index() -> None:
    how = index_made([("linux/amd64", IMAGE), ("linux/arm64/v8", Descriptor(OCI.manifest, "sha256:" + "b" * 64, 1))])
    document = json.loads(Provenance(how, None).of_image("app:1", IMAGE.digest).render())
    check_statement(document)
    definition = document["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {"platforms": ["linux/amd64", "linux/arm64/v8"]}
    assert [item["digest"]["sha256"] for item in definition["resolvedDependencies"]] == ["a" * 64, "b" * 64]
