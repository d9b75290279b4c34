"""Writing an image: layers, configuration, manifest and index in one tar that docker, podman and the others load.

The file is an OCI layout (image-layout.md) and a ``docker save`` archive at once. Its entries are sorted and bare of
owners and times, and nothing follows its end, so that the same image is the same file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Protocol, Union

from freezer.base import tar
from freezer.base.errors import InputError
from freezer.base.oci import model
from freezer.base.oci.model import Descriptor, PackedLayer, Platform
from freezer.base.oci.reference import Reference
from freezer.base.oci.referrers import Referrer, blobs_of
from freezer.base.publish import writing
from freezer.image.frame import frame
from freezer.image.layer import Layer
from freezer.plan.choices import ImageFormat


@dataclass(frozen=True)
class Recipe:
    """The parts of an image. ``created`` and ``created_by`` are for its history, ``settings`` is the ``config`` object
    of its configuration, ``annotations`` are the manifest's; ``sbom`` is the bill of materials in it."""

    platform: Platform
    layers: tuple[Layer, ...]
    settings: Mapping[str, Any]
    annotations: Mapping[str, str]
    names: tuple[Reference, ...]
    created: str
    created_by: str
    format: ImageFormat = ImageFormat.OCI
    sbom: Optional[bytes] = None


Attach = Callable[[Reference, Descriptor, Optional[bytes]], Sequence[Referrer]]
"""Gives what is said of an image, by its name, the descriptor of its manifest, and its bill of materials."""

TYPES = {ImageFormat.OCI: model.OCI, ImageFormat.DOCKER: model.DOCKER}


@dataclass(frozen=True)
class ImageFile:
    """An image in a file. ``image_id`` is the configuration's digest, which docker and podman call the image by;
    ``manifest_digest`` is what registries and containerd do; sizes are in bytes."""

    path: Path
    size: int
    image_id: str
    manifest_digest: str
    names: tuple[str, ...]
    platform: str
    layers: tuple[PackedLayer, ...]


class Chunked(Protocol):
    """Content that is written as it is read."""

    def chunks(self) -> Iterable[bytes]:
        """Return the content in pieces."""


def write_image(recipe: Recipe, path: Path, attach: Optional[Attach] = None) -> ImageFile:
    """Write an image to ``path`` in one step: the previous file stays until the new one is complete. A stream gets it
    as it is made. What ``attach`` gives goes into the file, too.

    Raises InputError if a file of it cannot be read, or changes meanwhile; OutputError if it cannot be written.
    """
    types = TYPES[recipe.format]
    packed = [layer.pack(types) for layer in recipe.layers]
    config = model.configuration(recipe.platform, recipe.settings, packed, recipe.created, recipe.created_by)
    config_descriptor = model.describe(config, types.config)
    manifest = model.manifest(config_descriptor, packed, recipe.annotations, types)
    manifest_descriptor = model.describe(manifest, types.manifest)
    listed = model.image_list(config_descriptor, packed, recipe.names)
    referrers, blobs = blobs_of(attach(recipe.names[0], manifest_descriptor, recipe.sbom) if attach is not None else ())
    contents: dict[str, Union[bytes, tuple[Chunked, Descriptor]]] = {
        "oci-layout": model.layout(),
        "index.json": model.index(manifest_descriptor, recipe.platform, recipe.names, listed, referrers),
        "manifest.json": listed,
        **blobs,
        model.blob_name(config_descriptor.digest): config,
        model.blob_name(manifest_descriptor.digest): manifest,
    }
    for layer, facts in zip(recipe.layers, packed):
        contents[model.blob_name(facts.descriptor.digest)] = (layer, facts.descriptor)
    return ImageFile(
        path=path,
        size=write_contents(contents, path),
        image_id=config_descriptor.digest,
        manifest_digest=manifest_descriptor.digest,
        names=tuple(map(str, recipe.names)),
        platform=str(recipe.platform),
        layers=tuple(packed),
    )


def write_contents(contents: Mapping[str, Union[bytes, tuple[Chunked, Descriptor]]], path: Path) -> int:
    """Write the files of an image to ``path``, as ``write_image`` does, and return the size. Raises likewise."""
    size = 0
    with writing(path, mode=0o644) as out:
        for chunk in _archive(contents):
            out.write(chunk)
            size += len(chunk)
    return size


def _archive(contents: Mapping[str, Union[bytes, tuple[Chunked, Descriptor]]]) -> Iterator[bytes]:
    sizes = {name: len(item) if isinstance(item, bytes) else item[1].size for name, item in contents.items()}
    for name, head in frame(sizes):
        yield head
        content = contents.get(name, b"")
        if isinstance(content, bytes):
            yield content
        else:
            yield from _unchanged(content[0].chunks(), content[1])
        yield tar.padding(sizes.get(name, 0))
    yield tar.END


def _unchanged(chunks: Iterable[bytes], expected: Descriptor) -> Iterator[bytes]:
    """Yield the chunks of a layer, and verify that they match its descriptor: its files may have changed since."""
    hasher, size = hashlib.sha256(), 0
    for chunk in chunks:
        hasher.update(chunk)
        size += len(chunk)
        yield chunk
    if f"sha256:{hasher.hexdigest()}" != expected.digest or size != expected.size:
        raise InputError("a file of the image changed while it was being read", hint="try again when it is at rest")
