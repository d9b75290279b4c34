"""Referrers: manifests that are about an image, their ``subject``, as the OCI image specification 1.1 has them.

A file of freezer's has an index of them in a blob of its own, which ``index.json`` names in an annotation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

from freezer.base.oci import model
from freezer.base.oci.archive import ImageArchive
from freezer.base.oci.documents import object_at, objects_at, parse_document
from freezer.base.oci.model import Descriptor
from freezer.base.oci.nodes import Node, node_of

EMPTY, EMPTY_TYPE = b"{}", "application/vnd.oci.empty.v1+json"
"""The configuration of what is no image."""
MAX_REFERRERS = 1000
LARGEST = 64 << 20
"""Bytes of a document that a referrer has."""


@dataclass(frozen=True)
class Referrer:
    """A manifest with its blobs, each by its digest; ``artifact_type`` says what it is."""

    manifest: bytes
    artifact_type: str
    blobs: dict[str, bytes]

    @property
    def descriptor(self) -> Descriptor:
        """Return the descriptor of the manifest."""
        return model.describe(self.manifest, model.OCI.manifest)


@dataclass(frozen=True)
class Content:
    """One document of a referrer, with its media type and the annotations of its descriptor."""

    data: bytes
    media_type: str
    annotations: dict[str, str]


def referrer(
    artifact_type: str, contents: Iterable[Content], subject: Descriptor, config: Optional[bytes] = None
) -> Referrer:
    """Return the referrer of some documents to a subject; without a configuration, it has the empty one."""
    data = EMPTY if config is None else config
    described = [(data, model.describe(data, EMPTY_TYPE if config is None else model.OCI.config).fields())]
    for item in contents:
        fields = model.describe(item.data, item.media_type).fields()
        described.append((item.data, {**fields, **({"annotations": item.annotations} if item.annotations else {})}))
    document = {
        "schemaVersion": 2,
        "mediaType": model.OCI.manifest,
        "artifactType": artifact_type,
        "config": described[0][1],
        "layers": [fields for _, fields in described[1:]],
        "subject": subject.fields(),
    }
    blobs = {fields["digest"]: data for data, fields in described}
    return Referrer(model.canonical(document), artifact_type, blobs)


def listed(descriptor: Descriptor, manifest: Any) -> dict[str, Any]:
    """Return the descriptor of a referrer in a list of them (distribution specification, "Listing Referrers")."""
    artifact_type = manifest.get("artifactType") or object_at(manifest, "config").get("mediaType")
    annotations = object_at(manifest, "annotations")
    return {
        **descriptor.fields(),
        "artifactType": artifact_type,
        **({"annotations": annotations} if annotations else {}),
    }


def referrers_index(descriptors: Iterable[dict[str, Any]]) -> bytes:
    """Return an index of referrers."""
    document = {"schemaVersion": 2, "mediaType": model.INDEX_TYPE, "manifests": list(descriptors)}
    return model.canonical(document)


def blobs_of(referrers: Iterable[Referrer]) -> tuple[Optional[str], dict[str, bytes]]:
    """Return the digest of the index of referrers, None if there are none, and all blobs that a file needs for them, by
    their names."""
    items = list(referrers)
    if not items:
        return None, {}
    index = referrers_index(listed(item.descriptor, parse_document(item.manifest)) for item in items)
    contents = {digest: data for item in items for digest, data in item.blobs.items()}
    contents.update({item.descriptor.digest: item.manifest for item in items})
    contents[model.digest(index)] = index
    return model.digest(index), {model.blob_name(digest): data for digest, data in contents.items()}


def referrer_nodes(archive: ImageArchive) -> tuple[Node, ...]:
    """Return the manifests in an image file that are about its images. Raises InputError for a damaged one."""
    if not archive.is_layout:
        return ()
    index = archive.parsed("index.json")
    digest = object_at(index, "annotations").get(model.REFERRERS_ANNOTATION)
    if digest is None:
        return ()
    found = objects_at(archive.blob(str(digest)), "manifests")
    if len(found) > MAX_REFERRERS:
        raise archive.wrong(f"it has more than {MAX_REFERRERS} referrers")
    nodes = tuple(node_of(archive, item) for item in found)
    for node in nodes:
        if node.is_index or subject_of(node) is None:
            raise archive.wrong(f"the referrer {node.descriptor.digest} has no subject")
    return nodes


def subject_of(node: Node) -> Optional[str]:
    """Return the digest of what a manifest is about; None for one that is about nothing else."""
    digest = object_at(parse_document(node.data), "subject").get("digest")
    return digest if isinstance(digest, str) else None


def read_referrer(archive: ImageArchive, node: Node) -> Referrer:
    """Return a referrer of a file with its content. Raises InputError for a damaged one."""
    blobs = {}
    for part in node.parts:
        if part.descriptor.size > LARGEST:
            raise archive.wrong(f"{part.name} is larger than {LARGEST} bytes")
        blobs[part.descriptor.digest] = b"".join(archive.blob_chunks(part.name, part.descriptor.digest))
    document = parse_document(node.data)
    return Referrer(node.data, str(document.get("artifactType") or ""), blobs)
