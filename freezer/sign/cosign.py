"""What cosign and others look for beside an image: signature, provenance and bill of materials, as referrers. Pure.

After cosign's SIGNATURE_SPEC and ATTESTATION_SPEC (https://github.com/sigstore/cosign/tree/main/specs): a signature is
a layer whose content names the image's digest, and whose annotation is the signature of that content; attestations are
layers that are DSSE envelopes. In a registry, each is a tag that is made of the digest, and a referrer, too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional

from freezer.base.bill import SBOM
from freezer.base.oci import model
from freezer.base.oci.documents import object_at, objects_at, parse_document
from freezer.base.oci.model import Descriptor
from freezer.base.oci.reference import Reference
from freezer.base.oci.referrers import Content, Referrer, referrer
from freezer.sign.envelope import IN_TOTO, Damaged
from freezer.sign.statement import PROVENANCE

if TYPE_CHECKING:
    from freezer.sign.crypto import Signer

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
CYCLONEDX = "application/vnd.cyclonedx+json"
SIGNATURE_KIND, ATTESTATION_KIND = (f"application/vnd.dev.cosign.artifact.{kind}.v1+json" for kind in ("sig", "att"))
"""The artifact types of cosign's, where it stores referrers."""
SUFFIXES = {SIGNATURE_KIND: "sig", ATTESTATION_KIND: "att"}
"""What the tags of them end with."""
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
CLAIM = "cosign container image signature"


def signed_payload(reference: Reference, digest: str) -> bytes:
    """Return what is signed of an image: its digest, and the repository's name, which readers ignore."""
    critical = {
        "identity": {"docker-reference": f"{reference.domain}/{reference.path}"},
        "image": {"docker-manifest-digest": digest},
        "type": CLAIM,
    }
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()


def claimed_digest(payload: bytes) -> str:
    """Return the digest that a signed payload names. Raises Damaged."""
    try:
        critical = object_at(parse_document(payload), "critical")
    except (ValueError, RecursionError) as error:
        raise Damaged(f"what is signed is not JSON: {error}") from error
    # Keys of JSON are taken in any case by Go, in which cosign is written; its specification has both.
    image = {key.lower(): value for key, value in object_at(critical, "image").items()}
    digest = image.get("docker-manifest-digest")
    if critical.get("type") != CLAIM or not isinstance(digest, str):
        raise Damaged("what is signed is not a claim of cosign's about an image")
    return digest


def signature(signer: Signer, reference: Reference, subject: Descriptor) -> Referrer:
    """Return the signature of an image."""
    payload = signed_payload(reference, subject.digest)
    annotations = {SIGNATURE_ANNOTATION: base64.b64encode(signer.sign(payload)).decode()}
    return _like_an_image(SIGNATURE_KIND, [Content(payload, SIMPLE_SIGNING, annotations)], subject)


def attestation(data: bytes, subject: Descriptor, *, is_signed: bool) -> Referrer:
    """Return the provenance of an image: an envelope, or the statement itself if it is not signed."""
    annotations = {"predicateType": PROVENANCE}
    if not is_signed:
        return referrer(IN_TOTO, [Content(data, IN_TOTO, annotations)], subject)
    content = Content(data, ENVELOPE, {SIGNATURE_ANNOTATION: "", **annotations})
    return _like_an_image(ATTESTATION_KIND, [content], subject)


def bill(data: bytes, subject: Descriptor) -> Referrer:
    """Return the bill of materials of an image, in CycloneDX."""
    return referrer(CYCLONEDX, [Content(data, CYCLONEDX, {"org.opencontainers.image.title": SBOM})], subject)


def _like_an_image(kind: str, contents: Sequence[Content], subject: Descriptor) -> Referrer:
    return referrer(kind, contents, subject, configuration([model.digest(item.data) for item in contents]))


def configuration(digests: Sequence[str]) -> bytes:
    """Return the configuration of a manifest that tools for images are to read: that of an image of these layers."""
    rootfs = {"type": "layers", "diff_ids": list(digests)}
    return model.canonical({"architecture": "", "os": "", "config": {}, "rootfs": rootfs})


def tag_of(digest: str, artifact_type: str) -> Optional[str]:
    """Return cosign's tag for what is about a digest; None if cosign has none for this kind."""
    suffix = SUFFIXES.get(artifact_type)
    return f"{digest.replace(':', '-')}.{suffix}" if suffix is not None else None


def merged(own: Referrer, other: dict[str, Any]) -> Optional[Referrer]:
    """Return one's own signatures or attestations with those of another manifest, which are kept; None if the other has
    nothing more. Only the blobs that are one's own, or new, are in the result."""
    document = parse_document(own.manifest)
    layers = document["layers"]
    more = [item for item in objects_at(other, "layers") if item not in layers]
    if not more:
        return None
    both = [*more, *layers]
    config = configuration([str(item.get("digest")) for item in both])
    document.update(layers=both, config=model.describe(config, model.OCI.config).fields())
    # It is about the image as before; the list of referrers has each part of it already.
    del document["subject"], document["artifactType"]
    blobs = {key: data for key, data in own.blobs.items() if key != object_at(document, "config").get("digest")}
    return Referrer(model.canonical(document), own.artifact_type, {**blobs, model.digest(config): config})
