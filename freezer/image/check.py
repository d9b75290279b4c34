"""Judge an image: whether it is what the specifications ask for, whole, and safe to run where rules are strict.

Every problem is reported, not only the first: the OCI image specification 1.1 and docker's archive format, every
digest and size, the layers' paths, the rules for safe images (``security``), and for freezer's own files the bytes
outside the blobs (``canonical``).
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from freezer.base import tar
from freezer.base.errors import InputError
from freezer.base.extract import inside
from freezer.base.oci import model
from freezer.base.oci.archive import INDEX_TYPES, ImageArchive
from freezer.base.oci.documents import Blob, Image, objects_at
from freezer.base.oci.model import OPAQUE, WHITEOUT
from freezer.base.oci.nodes import Node, top_nodes
from freezer.base.oci.reference import parse_reference
from freezer.base.oci.referrers import referrer_nodes, subject_of
from freezer.image.canonical import frame_problems, written_by_freezer
from freezer.image.merged import MergedRoot
from freezer.image.platforms import VARIANTS, variant_problem
from freezer.image.security import security_problems
from freezer.plan.choices import LayerCompression

FORMATS = (model.OCI, model.DOCKER)
MANIFEST_TYPES = tuple(types.manifest for types in FORMATS)
CONFIG_TYPES = tuple(types.config for types in FORMATS)
LAYER_TYPES = tuple(types.of_layer(item.value) for types in FORMATS for item in LayerCompression)
DIGEST = re.compile("sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


@dataclass(frozen=True)
class Verdict:
    """The result of a check; ``roots`` are the merged roots of the images, in their order."""

    problems: tuple[str, ...]
    roots: tuple[MergedRoot, ...]


def validate(archive: ImageArchive) -> Verdict:
    """Check everything. Raises InputError if the file is too damaged to continue."""
    problems: list[str] = []
    if archive.is_layout:
        problems += _layout_problems(archive)
    problems += _blob_problems(archive)
    problems += _list_problems(archive)
    problems += _referrer_problems(archive)
    roots = []
    for image in archive.images:
        root = MergedRoot()
        problems += _config_problems(image)
        for blob in image.layers:
            problems += _layer_problems(archive, blob, root)
        problems += security_problems(image, root)
        roots.append(root)
    if archive.path.is_file() and written_by_freezer(archive):
        problems += frame_problems(archive)
    return Verdict(tuple(dict.fromkeys(problems)), tuple(roots))


def _layout_problems(archive: ImageArchive) -> Iterator[str]:
    layout = archive.parsed("oci-layout")
    if not isinstance(layout, dict) or layout.get("imageLayoutVersion") != model.OCI_LAYOUT:
        yield f"oci-layout does not have imageLayoutVersion {model.OCI_LAYOUT}"
    index = archive.parsed("index.json")
    yield from _document_problems(index, "index.json", "manifests", INDEX_TYPES)
    descriptors = index.get("manifests", []) if isinstance(index, dict) else []
    # One may have several names; or be an index of several images.
    distinct = {str(item.get("digest")) for item in objects_at(index, "manifests")}
    if len(distinct) > 1:
        yield f"index.json has {len(distinct)} images; skopeo and buildah accept only files with one"
    for item in descriptors if isinstance(descriptors, list) else []:
        yield from _descriptor_problems(archive, item, "index.json", (*MANIFEST_TYPES, *INDEX_TYPES))
    for image in archive.images:
        name = f"the manifest {image.manifest_digest}"
        yield from _document_problems(image.manifest, name, "layers", MANIFEST_TYPES)
        yield from _descriptor_problems(archive, image.manifest.get("config"), name, CONFIG_TYPES)
        layers = image.manifest.get("layers")
        for item in layers if isinstance(layers, list) else []:
            yield from _descriptor_problems(archive, item, name, LAYER_TYPES)
    yield from _index_problems(archive, descriptors)


def _document_problems(document: Any, name: str, content: str, types: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(document, dict):
        yield f"{name} is not a JSON object"
        return
    if document.get("schemaVersion") != 2:
        yield f"{name} does not have schemaVersion 2"
    if document.get("mediaType", types[0]) not in types:
        yield f"{name} is of the type {document.get('mediaType')!r}"
    if not isinstance(document.get(content), list):
        yield f"{name} has no list of {content}"


def _descriptor_problems(archive: ImageArchive, item: Any, name: str, types: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(item, dict):
        yield f"{name} has a descriptor that is not a JSON object"
        return
    digest, size = item.get("digest"), item.get("size")
    if item.get("mediaType") not in types:
        yield f"{name} has a descriptor of the type {item.get('mediaType')!r}"
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        yield f"{name} has a descriptor with the digest {digest!r}"
    elif archive.find(model.blob_name(digest)).size != size:
        yield f"{digest} has {archive.find(model.blob_name(digest)).size} bytes; {name} says {size!r}"


def _index_problems(archive: ImageArchive, descriptors: Any) -> Iterator[str]:
    """Yield the contradictions between the index and the image itself, or docker's list."""
    images = {image.manifest_digest: image for image in archive.images}
    for item in descriptors if isinstance(descriptors, list) else []:
        image = images.get(item.get("digest")) if isinstance(item, dict) else None
        if image is None:
            continue
        platform = item.get("platform")
        for key in ("architecture", "os", "variant"):
            if isinstance(platform, dict) and platform.get(key) != image.config.get(key):
                yield f"index.json says {key} {platform.get(key)!r}, the configuration {image.config.get(key)!r}"
        annotations = item.get("annotations")
        name = annotations.get(model.NAME_ANNOTATION) if isinstance(annotations, dict) else None
        if name is not None and image.names and name not in image.names:
            yield f"index.json calls the image {name!r}, manifest.json {', '.join(image.names)}"


def _referrer_problems(archive: ImageArchive) -> Iterator[str]:
    """Check that what is said in the file is said of its images."""
    nodes = referrer_nodes(archive)
    known = {item.descriptor.digest for top in (top_nodes(archive) if nodes else ()) for item in _all(top)}
    for node in nodes:
        if subject_of(node) not in known:
            yield f"the referrer {node.descriptor.digest} is about {subject_of(node)!r}, which is not in the file"


def _all(node: Node) -> Iterator[Node]:
    yield node
    for below in node.below:
        yield from _all(below)


def _blob_problems(archive: ImageArchive) -> Iterator[str]:
    """Check that every file in ``blobs`` has the digest in its name, whether anything refers to it or not."""
    for name in sorted(archive.members):
        match = re.fullmatch(r"blobs/(sha256|sha512)/([^/]+)", name)
        if match is None:
            if name.startswith("blobs/"):
                yield f"{name} is not named by a known digest"
            continue
        hasher = hashlib.new(match[1])
        for chunk in archive.chunks(name):
            hasher.update(chunk)
        if hasher.hexdigest() != match[2]:
            yield f"{name} is damaged: its digest is {hasher.hexdigest()}"


def _list_problems(archive: ImageArchive) -> Iterator[str]:
    for item in archive.listed:
        config = inside(str(item.get("Config")))
        if config is None or config not in archive.members:
            yield f"manifest.json names the configuration {item.get('Config')!r}, which is not there"
        elif archive.is_layout and config not in {model.blob_name(image.config_digest) for image in archive.images}:
            yield f"manifest.json names {config}, which is not the configuration of any image in index.json"
        layers, names = item.get("Layers"), item.get("RepoTags")
        for place in layers if isinstance(layers, list) else []:
            if inside(str(place)) not in archive.members:
                yield f"manifest.json names the layer {place!r}, which is not there"
        if not isinstance(layers, list):
            yield "manifest.json has an image without a list of Layers"
        for image in archive.images if archive.is_layout else ():
            if config == model.blob_name(image.config_digest) and layers != [blob.name for blob in image.layers]:
                yield "manifest.json has other layers than the manifest"
        for name in names if isinstance(names, list) else []:
            try:
                parse_reference(str(name))
            except InputError as error:
                yield f"manifest.json: {error.what}"
        if names is not None and not isinstance(names, list):
            yield "manifest.json has RepoTags that are not a list"


def _config_problems(image: Image) -> Iterator[str]:
    for key in ("architecture", "os"):
        if not isinstance(image.config.get(key), str) or not image.config[key]:
            yield f"the configuration has no {key}"
    variant = image.config.get("variant")
    if variant and image.config.get("architecture") in VARIANTS:
        problem = variant_problem(str(image.config.get("architecture")), str(variant))
        if problem is not None:
            yield f"the configuration has a wrong variant: {problem}"
    rootfs = image.config.get("rootfs")
    if not isinstance(rootfs, dict) or rootfs.get("type") != "layers":
        yield "the configuration's rootfs is not of the type layers"
    if not isinstance(image.config.get("config", {}), (dict, type(None))):
        yield "the configuration's config is not a JSON object"


def _layer_problems(archive: ImageArchive, blob: Blob, root: MergedRoot) -> Iterator[str]:
    """Yield the problems of one layer, and put the layer onto ``root``."""
    hasher = hashlib.sha256()
    for chunk in archive.layer_chunks(blob):
        hasher.update(chunk)
    if f"sha256:{hasher.hexdigest()}" != blob.diff_id:
        yield f"the layer {blob.name} is sha256:{hasher.hexdigest()} unpacked; the configuration says {blob.diff_id}"
    seen: dict[str, tar.Member] = {}
    for member, _ in archive.layer_members(blob):
        name = inside(member.name)
        if name is None:
            yield f"the layer {blob.name} leads out of the root: {member.name!r}"
            continue
        name = "" if name == "." else name
        if name in seen and not (seen[name].kind is member.kind is tar.Kind.DIRECTORY):
            yield f"the layer {blob.name} has {name!r} twice"
        yield from _place_problems(blob, name, member, seen, root)
        seen[name] = member
        folder, base = posixpath.split(name)
        if base == OPAQUE:
            root.hide(folder, seen)
        elif base.startswith(WHITEOUT):
            root.remove(posixpath.join(folder, base[len(WHITEOUT) :]))
        else:
            root.put(name, member)


def _place_problems(
    blob: Blob, name: str, member: tar.Member, seen: Mapping[str, tar.Member], root: MergedRoot
) -> Iterator[str]:
    parts = name.split("/")
    for depth in range(1, len(parts)):
        parent = "/".join(parts[:depth])
        above = seen.get(parent) or root.entries.get(parent)
        if above is not None and above.kind is not tar.Kind.DIRECTORY:
            yield f"the layer {blob.name} has {name!r} below {parent!r}, which is not a directory"
            break
    if member.kind is tar.Kind.HARD_LINK:
        target = inside(member.target)
        if target is None or (target not in seen and target not in root.entries):
            yield f"the layer {blob.name} has a hard link {name!r} to {member.target!r}, which is not in it"
