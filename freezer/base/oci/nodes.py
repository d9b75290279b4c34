"""The documents of an image file as they are, byte for byte, with the blobs that they name: what is copied to another
file or to a registry keeps its digests.

docker's archives have no manifests. They get them here, the same ones each time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from freezer.base.compression import compression_of
from freezer.base.extract import inside
from freezer.base.oci import model
from freezer.base.oci.archive import INDEX_TYPES, ImageArchive
from freezer.base.oci.documents import Image, object_at, objects_at
from freezer.base.oci.model import Descriptor

ATTACHED = "unknown"
"""The platform of what is in an index but is no image: what others state about one (buildx's attestations)."""


DIGEST = re.compile("sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]*(/[A-Za-z0-9!#$&^_.+-]+)?")
"""A type of RFC 6838; or nothing."""


@dataclass(frozen=True)
class Part:
    """A configuration or a layer, and its file in the archive."""

    descriptor: Descriptor
    name: str


@dataclass(frozen=True)
class Node:
    """A manifest with its ``parts`` and its ``config``, or an index with the nodes ``below`` it.

    ``fields`` is its descriptor in the document above, ``data`` the document itself; the configuration is the first
    part.
    """

    descriptor: Descriptor
    data: bytes
    fields: dict[str, Any]
    below: tuple[Node, ...] = ()
    parts: tuple[Part, ...] = ()
    config: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_index(self) -> bool:
        """Return whether the node is an index."""
        return self.descriptor.media_type in INDEX_TYPES

    @property
    def is_attached(self) -> bool:
        """Return whether a manifest is no image, but belongs to one."""
        platform = object_at(self.fields, "platform")
        return platform.get("os") == ATTACHED and platform.get("architecture") == ATTACHED

    def manifests(self) -> Iterator[Node]:
        """Yield the manifests: this one, or those below this index at any depth."""
        if not self.is_index:
            yield self
        for node in self.below:
            yield from node.manifests()


def top_nodes(archive: ImageArchive) -> tuple[Node, ...]:
    """Return what an image file has at its top, each document once. Raises InputError for a damaged document."""
    if archive.is_layout:
        found = [node_of(archive, item) for item in objects_at(archive.parsed("index.json"), "manifests")]
    else:
        configs = [str(inside(str(item.get("Config")))) for item in archive.listed]
        found = [_made(archive, image, config) for image, config in zip(archive.images, configs)]
    return tuple({node.descriptor.digest: node for node in found}.values())


def node_of(archive: ImageArchive, fields: dict[str, Any]) -> Node:
    """Return the manifest or index that a descriptor names. Raises InputError for a damaged document."""
    part = _part(archive, fields)
    document, data = archive.blob(part.descriptor.digest), archive.document(part.name)
    if not isinstance(document, dict):
        raise archive.wrong(f"{part.name} is not a JSON object")
    descriptor = part.descriptor
    # An index may leave out the type, and the document have it.
    if not descriptor.media_type:
        descriptor = dataclasses.replace(descriptor, media_type=str(document.get("mediaType") or model.OCI.manifest))
    if descriptor.media_type in INDEX_TYPES:
        below = tuple(node_of(archive, item) for item in objects_at(document, "manifests"))
        return Node(descriptor, data, fields, below=below)
    described = [object_at(document, "config"), *objects_at(document, "layers")]
    parts = tuple(_part(archive, item) for item in described)
    config = archive.blob(parts[0].descriptor.digest)
    return Node(descriptor, data, fields, parts=parts, config=config if isinstance(config, dict) else {})


def _part(archive: ImageArchive, fields: dict[str, Any]) -> Part:
    digest, size, media_type = str(fields.get("digest")), fields.get("size"), str(fields.get("mediaType") or "")
    if not DIGEST.fullmatch(digest) or not MEDIA_TYPE.fullmatch(media_type):
        raise archive.wrong(f"a descriptor of it has the digest {digest[:200]!r} and the type {media_type[:200]!r}")
    name = model.blob_name(digest)
    found = archive.find(name).size
    if size != found or isinstance(size, bool):
        raise archive.wrong(f"{name} has {found} bytes; its descriptor says {size!r}")
    return Part(Descriptor(media_type, digest, found), name)


def _made(archive: ImageArchive, image: Image, config: str) -> Node:
    """Return an image of docker's archive with a manifest that is made for it."""
    parts = [Part(Descriptor(model.OCI.config, image.config_digest, archive.find(config).size), config)]
    for blob in image.layers:
        hasher, compression = hashlib.sha256(), compression_of(next(archive.chunks(blob.name), b""))
        for chunk in archive.chunks(blob.name):
            hasher.update(chunk)
        unpacked = hasher
        if compression is not None:
            unpacked = hashlib.sha256()
            for chunk in archive.layer_chunks(blob):
                unpacked.update(chunk)
        if f"sha256:{unpacked.hexdigest()}" != blob.diff_id:
            raise archive.wrong(f"{blob.name} is sha256:{unpacked.hexdigest()} unpacked, not {blob.diff_id}")
        media_type = model.OCI.of_layer(f"+{compression}" if compression is not None else "")
        parts.append(Part(Descriptor(media_type, f"sha256:{hasher.hexdigest()}", blob.size), blob.name))
    document = {
        "schemaVersion": 2,
        "mediaType": model.OCI.manifest,
        "config": parts[0].descriptor.fields(),
        "layers": [part.descriptor.fields() for part in parts[1:]],
    }
    data = model.canonical(document)
    descriptor = model.describe(data, model.OCI.manifest)
    return Node(descriptor, data, descriptor.fields(), parts=tuple(parts), config=image.config)


def platform_of_config(node: Node) -> Optional[dict[str, Any]]:
    """Return the platform of an image as its configuration states it; None if it states none.

    What only the descriptor can state, or alone states, is taken from there: versions and features of the system, and
    the variant.
    """
    described = object_at(node.fields, "platform")
    stated = {key: node.config.get(key) for key in ("os", "architecture")}
    if not all(isinstance(value, str) and value for value in stated.values()):
        return None
    for key in ("variant", "os.version", "os.features"):
        value = node.config.get(key) or described.get(key)
        if value:
            stated[key] = value
    return stated
