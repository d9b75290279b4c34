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
from freezer.base.oci.documents import object_at
from freezer.base.oci.reference import parse_reference
from freezer.image.frame import frame
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
    image = archive.images[0]
    listed = archive.document("manifest.json") if "manifest.json" in archive.members else b""
    try:
        references = [parse_reference(name) for name in image.names]
        platform = model.Platform(image.config["architecture"], image.config.get("variant"))
        document = archive.document(model.blob_name(str(image.manifest_digest)))
        descriptor = model.describe(document, image.manifest["mediaType"])
        expected_documents = {
            "oci-layout": model.layout(),
            "manifest.json": model.canonical(
                [
                    {
                        "Config": model.blob_name(image.config_digest),
                        "Layers": [blob.name for blob in image.layers],
                        "RepoTags": [str(item) for item in references],
                    }
                ]
            ),
            "index.json": model.index(descriptor, platform, references, listed),
        }
    except (InputError, LookupError, TypeError) as error:
        yield f"the documents differ from what freezer writes: {error}"
        return
    for name, data in expected_documents.items():
        if name not in archive.members or archive.document(name) != data:
            yield f"{name} differs from what freezer wrote"
