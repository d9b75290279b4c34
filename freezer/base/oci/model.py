"""The documents of an image: configuration, manifest, index, and docker's list of images.

After the OCI image specification 1.1 (https://github.com/opencontainers/image-spec) and the layout of ``docker save``.
All functions here are pure. JSON is canonical - sorted keys, no spaces, UTF-8 -
so that equal content has equal digests.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from freezer.base.oci.reference import Reference

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
"""The prefix of names that remove a lower layer's entry, and the name that removes all of a directory's (layer.md)."""
OCI_LAYOUT = "1.0.0"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class MediaTypes:
    """The media types of an image's parts in one format; ``mark`` precedes the compression of a layer."""

    manifest: str
    config: str
    layer: str
    mark: str

    def of_layer(self, compression: str) -> str:
        """Return the type of a layer; ``compression`` is the suffix in OCI's, such as "+gzip", or "" for none."""
        return self.layer + compression.replace("+", self.mark)


OCI = MediaTypes(
    manifest="application/vnd.oci.image.manifest.v1+json",
    config="application/vnd.oci.image.config.v1+json",
    layer="application/vnd.oci.image.layer.v1.tar",
    mark="+",
)
DOCKER = MediaTypes(
    manifest="application/vnd.docker.distribution.manifest.v2+json",
    config="application/vnd.docker.container.image.v1+json",
    layer="application/vnd.docker.image.rootfs.diff.tar",
    mark=".",
)
"""The image manifest of version 2, schema 2: it has the same members, and its configuration may have a Healthcheck."""

OWN = "io.github.freezer."
"""The prefix of freezer's own annotations."""
LAYOUT_ANNOTATION, LAYOUT = OWN + "layout", "2"
"""In the manifest of freezer's own images: states that everything outside the blobs was written canonically, too, so
that a reader can detect a changed byte there, which no digest covers. In layout 1, directories were no entries."""
LIST_ANNOTATION = OWN + "manifest"
"""In the index: the digest of docker's list of images, which contains the names."""
REFERRERS_ANNOTATION = OWN + "referrers"
"""In the index: the digest of an index of the manifests that are about the images - signatures, provenance, bills of
materials. They are not in the index itself, as skopeo and buildah take a file with several descriptors there for
several images."""
NAME_ANNOTATION = "io.containerd.image.name"
REFERENCE_ANNOTATION = "org.opencontainers.image.ref.name"

PREDEFINED = "org.opencontainers.image."
"""The prefix of the keys that the specification defines (annotations.md)."""


@dataclass(frozen=True)
class Platform:
    """The platform of a binary, in Go's names, which the specification uses."""

    architecture: str
    variant: Optional[str] = None

    def __str__(self) -> str:
        """Return the platform as text: ``linux/arm64/v8``."""
        return "/".join(part for part in ("linux", self.architecture, self.variant) if part)

    def fields(self) -> dict[str, str]:
        """Return the fields for JSON documents."""
        fields = {"os": "linux", "architecture": self.architecture}
        return {**fields, "variant": self.variant} if self.variant is not None else fields


@dataclass(frozen=True)
class Descriptor:
    """A blob by its content: ``digest`` with its algorithm, ``size`` in bytes."""

    media_type: str
    digest: str
    size: int

    def fields(self) -> dict[str, Any]:
        """Return the fields for JSON documents."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True)
class PackedLayer:
    """A layer as the documents name it; ``diff_id`` is the digest of its tar before compression."""

    descriptor: Descriptor
    diff_id: str
    comment: str


def canonical(document: Any) -> bytes:
    """Return the one encoding of a JSON document that freezer writes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def digest(data: bytes) -> str:
    """Return the digest of a blob."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def describe(data: bytes, media_type: str) -> Descriptor:
    """Return the descriptor of a blob."""
    return Descriptor(media_type, digest(data), len(data))


def timestamp(epoch: int) -> str:
    """Return seconds since 1970 in the format of RFC 3339, in UTC."""
    return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def configuration(
    platform: Platform, settings: Mapping[str, Any], layers: Sequence[PackedLayer], created: str, created_by: str
) -> bytes:
    """Return the image configuration (config.md); its digest is the image's ID."""
    document = {
        **platform.fields(),
        "created": created,
        "config": dict(settings),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": created, "created_by": created_by, "comment": layer.comment} for layer in layers],
    }
    return canonical(document)


def manifest(
    config: Descriptor, layers: Sequence[PackedLayer], annotations: Mapping[str, str], types: MediaTypes = OCI
) -> bytes:
    """Return the image manifest (manifest.md)."""
    document = {
        "schemaVersion": 2,
        "mediaType": types.manifest,
        "config": config.fields(),
        "layers": [layer.descriptor.fields() for layer in layers],
        "annotations": {**annotations, LAYOUT_ANNOTATION: LAYOUT},
    }
    return canonical(document)


def image_list(config: Descriptor, layers: Sequence[PackedLayer], names: Sequence[Reference]) -> bytes:
    """Return ``manifest.json``, docker's list of images. docker loads every name in it."""
    return canonical([listed_image(config.digest, [layer.descriptor.digest for layer in layers], names)])


def listed_image(config: str, layers: Sequence[str], names: Sequence[Reference]) -> dict[str, Any]:
    """Return one image of docker's list, by the digests of its blobs."""
    return {
        "Config": blob_name(config),
        "Layers": [blob_name(layer) for layer in layers],
        "RepoTags": [str(name) for name in names],
    }


def index(
    image: Descriptor,
    platform: Optional[Platform],
    names: Sequence[Reference],
    listed: bytes,
    referrers: Optional[str] = None,
) -> bytes:
    """Return ``index.json``. It has a descriptor for each name, all of the same manifest: containerd takes each name.
    podman and skopeo refuse to choose among several, and then podman goes by ``manifest.json``, which has all names.

    The descriptor is an image's, or without a platform that of an index of several images; ``referrers`` is the digest
    of the index of what is about them."""
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [
            {
                **image.fields(),
                **({"platform": platform.fields()} if platform is not None else {}),
                "annotations": {NAME_ANNOTATION: str(name), REFERENCE_ANNOTATION: reference},
            }
            for name, reference in zip(names, _references(names))
        ],
        "annotations": {
            LIST_ANNOTATION: digest(listed),
            **({REFERRERS_ANNOTATION: referrers} if referrers is not None else {}),
        },
    }
    return canonical(document)


def _references(names: Sequence[Reference]) -> Iterator[str]:
    """Yield what ``oci-archive:FILE:...`` names each image by: its tag, or the name in full if another has the tag."""
    seen: set[str] = set()
    for name in names:
        yield str(name) if name.tag in seen else name.tag
        seen.add(name.tag)


def layout() -> bytes:
    """Return ``oci-layout`` (image-layout.md)."""
    return canonical({"imageLayoutVersion": OCI_LAYOUT})


def blob_name(digest_text: str) -> str:
    """Return the path of a blob in a layout: ``blobs/sha256/...``."""
    return "blobs/" + digest_text.replace(":", "/", 1)
