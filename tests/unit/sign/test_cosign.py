"""cosign's formats, by its specification."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from signing import KINDS, SBOM, openssl_verifies, signer_in

from freezer.base.oci.model import OCI, Descriptor, digest
from freezer.base.oci.reference import parse_reference
from freezer.base.oci.referrers import Referrer
from freezer.sign import cosign
from freezer.sign.crypto import Signer
from freezer.sign.envelope import Damaged

IMAGE = Descriptor(OCI.manifest, "sha256:" + "a" * 64, 700)
NAME = parse_reference("registry.example:5000/team/app:1.2")
KEY = "dev.cosignproject.cosign/signature"


def document(item: Referrer) -> Any:
    found = json.loads(item.manifest)
    assert found["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert found["subject"] == {"mediaType": OCI.manifest, "digest": IMAGE.digest, "size": 700}
    for fields in (found["config"], *found["layers"]):
        data = item.blobs[fields["digest"]]
        assert (digest(data), len(data)) == (fields["digest"], fields["size"])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature(tmp_path: Path, kind: str) -> None:
    item = cosign.signature(signer_in(tmp_path, kind=kind), NAME, IMAGE)
    found = document(item)
    assert found["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    (layer,) = found["layers"]
    assert layer["mediaType"] == "application/vnd.dev.cosign.simplesigning.v1+json"
    payload = item.blobs[layer["digest"]]
    assert json.loads(payload) == {
        "critical": {
            "identity": {"docker-reference": "registry.example:5000/team/app"},
            "image": {"docker-manifest-digest": IMAGE.digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    config = json.loads(item.blobs[found["config"]["digest"]])
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
    signature = base64.b64decode(layer["annotations"][KEY], validate=True)
    assert openssl_verifies(tmp_path / "key.pub", signature, payload, tmp_path)


def test_tags() -> None:
    """The example of the specification."""
    given = "sha256:97fc222cee7991b5b061d4d4afdb5f3428fcb0c9054e1690313786befa1e4e36"
    tag = "sha256-97fc222cee7991b5b061d4d4afdb5f3428fcb0c9054e1690313786befa1e4e36"
    assert cosign.tag_of(given, cosign.SIGNATURE_KIND) == f"{tag}.sig"
    assert cosign.tag_of(given, cosign.ATTESTATION_KIND) == f"{tag}.att"
    assert cosign.tag_of(given, cosign.CYCLONEDX) is None


def test_an_attestation() -> None:
    found = document(cosign.attestation(b"{}\n", IMAGE, is_signed=True))
    (layer,) = found["layers"]
    assert layer["mediaType"] == "application/vnd.dsse.envelope.v1+json"
    assert layer["annotations"] == {"predicateType": "https://slsa.dev/provenance/v1", KEY: ""}
    assert found["artifactType"] == cosign.ATTESTATION_KIND


def test_what_is_not_signed() -> None:
    """No tool takes it for something that is."""
    found = document(cosign.attestation(b"{}\n", IMAGE, is_signed=False))
    assert found["artifactType"] == found["layers"][0]["mediaType"] == "application/vnd.in-toto+json"
    assert found["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
    found = document(cosign.bill(SBOM, IMAGE))
    assert found["artifactType"] == found["layers"][0]["mediaType"] == "application/vnd.cyclonedx+json"


def claim(**changes: Any) -> bytes:
    critical = {"image": {"docker-manifest-digest": "sha256:x"}, "type": "cosign container image signature"}
    return json.dumps({"critical": {**critical, **changes}, "optional": {"a": 1}}).encode()


def test_claims() -> None:
    assert cosign.claimed_digest(claim()) == "sha256:x"
    assert cosign.claimed_digest(claim(image={"Docker-manifest-digest": "sha256:y"})) == "sha256:y"
    for data in (
        b"",
        b"[" * 100000,
        b"[]",
        claim(type="atomic container signature"),
        claim(image={}),
        claim(image={"docker-manifest-digest": 1}),
    ):
        with pytest.raises(Damaged):
            cosign.claimed_digest(data)


def test_signatures_of_others_stay(signer: Signer, tmp_path: Path) -> None:
    own = cosign.signature(signer, NAME, IMAGE)
    other = cosign.signature(signer_in(tmp_path, "other"), NAME, IMAGE)
    assert cosign.merged(own, json.loads(own.manifest)) is None
    assert cosign.merged(own, {"layers": []}) is None
    both = cosign.merged(own, json.loads(other.manifest))
    assert both is not None
    found = json.loads(both.manifest)
    assert found["layers"] == [*json.loads(other.manifest)["layers"], *json.loads(own.manifest)["layers"]]
    # The list of referrers has each signature once.
    assert "subject" not in found
    config = json.loads(both.blobs[found["config"]["digest"]])
    assert config["rootfs"]["diff_ids"] == [item["digest"] for item in found["layers"]]
