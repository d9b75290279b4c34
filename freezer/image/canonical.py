"""Check that an image file written by freezer is canonical outside its blobs, too.

Digests only cover the blobs. The rest follows from them, so it can be generated again and compared: every changed byte
is found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from freezer.base import tar
from freezer.base.errors import InputError
from freezer.base.oci import model
from freezer.base.oci.archive import ImageArchive
from freezer.base.oci.documents import object_at, parse_document, strings
from freezer.base.oci.nodes import top_nodes
from freezer.base.oci.reference import parse_reference
from freezer.base.oci.referrers import listed as listed_referrer
from freezer.base.oci.referrers import referrer_nodes, referrers_index
from freezer.image.frame import frame
from freezer.image.index import documents, members_of
from freezer.plan.choices import DEFAULT_EPOCH


def written_by_freezer(archive: ImageArchive) -> bool:
    """Return whether freezer wrote the file, even if it was damaged since.

    The manifest says so, but stays when another tool packs the image anew. So one of two things in different places
    must say so as well, of which no single changed byte can take both away.
    """
    if not any(
        object_at(image.manifest, "annotations").get(model.LAYOUT_ANNOTATION) == model.LAYOUT
        for image in archive.images
    ):
        return False
    index = archive.parsed("index.json")
    of_freezers_time = [member.mtime == DEFAULT_EPOCH for member in archive.members.values()]
    return model.LIST_ANNOTATION in object_at(index, "annotations") or sum(of_freezers_time) * 2 > len(of_freezers_time)


def frame_problems(archive: ImageArchive) -> Iterator[str]:
    """Yield the differences between the file and what freezer writes for its content."""
    at = 0
    with open(archive.path, "rb") as file:
        for name, expected in frame({name: member.size for name, member in archive.members.items()}):
            file.seek(at)
            at += len(expected)
            member = archive.members.get(name)
            if file.read(len(expected)) != expected or (member is not None and member.offset != at):
                yield f"the header of {name} differs from what freezer wrote"
                return
            if member is not None:
                at += member.size + -member.size % tar.BLOCK
        if os.fstat(file.fileno()).st_size != at + len(tar.END):
            yield "the archive's end differs from what freezer wrote"
    try:
        expected_documents = _expected(archive)
    except (InputError, LookupError, TypeError) as error:
        yield f"the documents differ from what freezer writes: {error}"
        return
    for name, data in expected_documents.items():
        if name not in archive.members or archive.document(name) != data:
            yield f"{name} differs from what freezer wrote"


def _expected(archive: ImageArchive) -> dict[str, bytes]:
    """Return the documents outside the blobs that freezer writes for the image. Raises InputError, LookupError or
    TypeError if its own are too different."""
    top = top_nodes(archive)[0]
    names = [parse_reference(str(name)) for name in strings(archive.listed[0].get("RepoTags"))]
    nodes = referrer_nodes(archive)
    index = referrers_index(listed_referrer(node.descriptor, parse_document(node.data)) for node in nodes)
    referrers = model.digest(index) if nodes else None
    if top.is_index:
        members = members_of(list(top.manifests()))
        return documents(model.describe(top.data, model.INDEX_TYPE), members, names, referrers)
    platform = model.Platform(top.config["architecture"], top.config.get("variant"))
    config, *layers = (part.descriptor.digest for part in top.parts)
    descriptor = model.describe(top.data, parse_document(top.data)["mediaType"])
    listed = model.canonical([model.listed_image(config, layers, names)])
    return {
        "oci-layout": model.layout(),
        "manifest.json": listed,
        "index.json": model.index(descriptor, platform, names, listed, referrers),
    }
