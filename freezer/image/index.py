"""One file of the images of several architectures: each machine takes its own of them.

``index.json`` has one descriptor, that of an index with all images (image-index.md): skopeo and buildah refuse several
descriptors there. docker before its containerd image store reads ``manifest.json`` alone, which knows no platforms, and
loads everything in it; there only the first image has the names, and the others have them with their architecture.
The images keep their bytes, and so their digests; a blob that several have is there once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from freezer.base.errors import InputError, UsageError
from freezer.base.log import Log, human_size
from freezer.base.oci import model
from freezer.base.oci.archive import ImageArchive, open_image
from freezer.base.oci.documents import object_at, parse_document
from freezer.base.oci.model import PREDEFINED, Descriptor
from freezer.base.oci.nodes import Node, Part, platform_of_config, top_nodes
from freezer.base.oci.reference import Reference, parse_reference
from freezer.base.oci.referrers import Referrer, blobs_of, read_referrer, referrer_nodes
from freezer.base.publish import check_target
from freezer.image.write import Chunked, write_contents
from freezer.plan.outputs import refuse_inputs
from freezer.plan.signing import Signing
from freezer.sign.provenance import Provenance, index_made

if TYPE_CHECKING:
    from freezer.sign.crypto import Signer

DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7", "amd64": "v1"}
"""The variants that are meant if none is named: containerd and the others take both for one platform."""


@dataclass(frozen=True)
class Member:
    """An image of an index: its manifest, and the platform that its configuration states."""

    node: Node
    platform: dict[str, Any]

    @property
    def key(self) -> tuple[str, ...]:
        """The value by which two images are for one platform."""
        architecture = str(self.platform["architecture"])
        variant = self.platform.get("variant") or DEFAULT_VARIANTS.get(architecture, "")
        return str(self.platform["os"]), architecture, str(variant), str(self.platform.get("os.version", ""))

    def __str__(self) -> str:
        """Return the platform as text: ``linux/arm64/v8``."""
        return "/".join(str(self.platform[key]) for key in ("os", "architecture", "variant") if key in self.platform)


@dataclass(frozen=True)
class IndexFile:
    """A file of several images. ``digest`` is that of the index, which registries call all of them by; ``platforms``
    has for each its platform, and the digests of its configuration and its manifest; ``size`` is in bytes."""

    path: Path
    size: int
    digest: str
    names: tuple[str, ...]
    platforms: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class _Blob:
    """A blob of an archive, as content to write."""

    archive: ImageArchive
    part: Part

    def chunks(self) -> Iterator[bytes]:
        return self.archive.blob_chunks(self.part.name, self.part.descriptor.digest)


def join_images(
    sources: Sequence[Path],
    names: Sequence[Reference],
    output: Path,
    log: Log,
    signing: Optional[Signing] = None,
    signer: Optional[Signer] = None,
) -> IndexFile:
    """Join the images in files and OCI layouts to one file with an index of them, and log it. What is said of the
    images stays with them; with ``signing``, the same is said of the index.

    Without ``names``, it has the names of the images, which must be the same. Raises InputError for a damaged image,
    one that states no platform, or two of one platform; OutputError if the file cannot be written.
    """
    signing = signing or Signing()
    for target in filter(None, (output, signing.provenance)):
        check_target(target, stream=True)
        refuse_inputs(target, [*sources, *signing.inputs])
    with log.step("image") as step, contextlib.ExitStack() as opened:
        archives = [opened.enter_context(open_image(path)) for path in sources]
        nodes = [(archive, node) for archive in archives for top in top_nodes(archive) for node in top.manifests()]
        members = _members(nodes)
        references = tuple(names) or _names(archives)
        index = _index([node for _, node in nodes], members)
        top = model.describe(index, model.INDEX_TYPE)
        contents: dict[str, Union[bytes, tuple[Chunked, Descriptor]]] = {model.blob_name(top.digest): index}
        for archive, node in nodes:
            contents[model.blob_name(node.descriptor.digest)] = node.data
            for part in node.parts:
                contents[model.blob_name(part.descriptor.digest)] = (_Blob(archive, part), part.descriptor)
        provenance = Provenance(index_made([(str(item), item.node.descriptor) for item in members]), signer)
        said = [*_referrers(archives), *(provenance.attached(references[0], top) if signing.is_wanted else ())]
        referrers, blobs = blobs_of(said)
        contents.update({**blobs, **documents(top, members, references, referrers)})
        made = IndexFile(
            path=output,
            size=write_contents(contents, output),
            digest=top.digest,
            names=tuple(map(str, references)),
            platforms=tuple(
                (str(item), item.node.parts[0].descriptor.digest, item.node.descriptor.digest) for item in members
            ),
        )
        if signing.provenance is not None:
            provenance.of_image(made.names[0], made.digest).write(signing.provenance)
        step.result = f"{', '.join(made.names)}, {human_size(made.size)}"
    log.line(f"    index {made.digest}")
    for platform, _, manifest in made.platforms:
        log.line(f"    manifest {manifest}  {platform}")
    return made


def _referrers(archives: Sequence[ImageArchive]) -> list[Referrer]:
    """Return what is said of the images, each once."""
    found = {
        node.descriptor.digest: read_referrer(archive, node) for archive in archives for node in referrer_nodes(archive)
    }
    return list(found.values())


def documents(
    top: Descriptor, members: Sequence[Member], names: Sequence[Reference], referrers: Optional[str] = None
) -> dict[str, bytes]:
    """Return the documents outside the blobs, by their names. With several names in ``index.json``, podman would go by
    ``manifest.json``, and take the first image for every machine."""
    images = []
    for number, member in enumerate(members):
        config, *layers = (part.descriptor.digest for part in member.node.parts)
        called = names if number == 0 else [_with_platform(name, member) for name in names]
        images.append(model.listed_image(config, layers, called))
    listed = model.canonical(images)
    return {
        "oci-layout": model.layout(),
        "index.json": model.index(top, None, names[:1], listed, referrers),
        "manifest.json": listed,
    }


def members_of(nodes: Sequence[Node]) -> list[Member]:
    """Return the images among manifests. Raises InputError for one that states no platform."""
    found = []
    for node in nodes:
        platform = platform_of_config(node)
        if node.is_attached:
            continue
        if platform is None:
            raise InputError(
                f"the image {node.descriptor.digest} states no platform",
                why="its configuration has no os, or no architecture",
                hint="make it anew with a tool that states them",
            )
        found.append(Member(node, platform))
    return found


def _with_platform(name: Reference, member: Member) -> Reference:
    """Return the name of an image that is not the first: ``app:1.2-arm64``."""
    words = [word for word in str(member).split("/") if word != "linux"]
    if member.platform.get("variant") == DEFAULT_VARIANTS.get(member.platform["architecture"]):
        words = words[:-1]
    return parse_reference(f"{name.domain}/{name.path}:{'-'.join([name.tag, *words])}")


def _members(nodes: Sequence[tuple[ImageArchive, Node]]) -> list[Member]:
    members = members_of([node for _, node in nodes])
    if not members:
        raise InputError("none of the files has an image", hint="name one image for each architecture")
    places = {node.descriptor.digest: archive.path for archive, node in nodes}
    known: dict[tuple[str, ...], Member] = {}
    for member in members:
        other = known.setdefault(member.key, member)
        if other is not member:
            paths = dict.fromkeys(str(places[item.node.descriptor.digest]) for item in (other, member))
            raise InputError(
                f"two of the images are for {member}",
                why=f"an index has one image of each platform; these are in {' and '.join(paths)}",
                hint="name one image for each architecture",
            )
    return members


def _names(archives: Sequence[ImageArchive]) -> tuple[Reference, ...]:
    """Return the names of all images. A name that is only a tag, as OCI layouts have, does not count."""
    found = [
        tuple(dict.fromkeys(name for image in archive.images for name in image.names if ":" in name))
        for archive in archives
    ]
    if len(set(found)) > 1 or not found[0]:
        several = "; ".join(", ".join(names) or "none" for names in dict.fromkeys(found))
        raise UsageError(
            "the name of the joined images is missing",
            why=f"theirs are: {several}" if any(found) else "they have none",
            hint="name it: --tag NAME[:TAG]",
        )
    return tuple(map(parse_reference, found[0]))


def _index(nodes: Sequence[Node], members: Sequence[Member]) -> bytes:
    """Return the index. Its annotations are those that describe all images alike; the title, for example."""
    platforms = {item.node.descriptor.digest: item.platform for item in members}
    described = []
    for node in nodes:
        fields = {**node.descriptor.fields(), "platform": platforms.get(node.descriptor.digest)}
        annotations = object_at(node.fields, "annotations")
        if node.is_attached:
            # It says in its annotations to which image it belongs.
            fields.update(platform=node.fields["platform"], annotations=annotations)
        described.append(fields)
    stated = [object_at(parse_document(item.node.data), "annotations").items() for item in members]
    common = {key: value for key, value in stated[0] if key.startswith(PREDEFINED)}
    common = {key: value for key, value in common.items() if all((key, value) in items for items in stated)}
    document = {
        "schemaVersion": 2,
        "mediaType": model.INDEX_TYPE,
        "manifests": described,
        **({"annotations": common} if common else {}),
    }
    return model.canonical(document)
