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
from freezer.plan.choices import DEFAULT_EPOCH


def written_by_freezer(archive: ImageArchive) -> bool:
    """Return whether freezer wrote the file, even if it was damaged since.

    The manifest says so, but stays when another tool packs the image anew. So one of two things in different places
    must say so as well, of which no single changed byte can take both away.
    """
    if not any(
        object_at(image.manifest, "annotations").get(model.LAYOUT_ANNOTATION) == "1" for image in archive.images
    ):
        return False
    index = archive.parsed("index.json")
    of_freezers_time = [member.mtime == DEFAULT_EPOCH for member in archive.members.values()]
    return model.LIST_ANNOTATION in object_at(index, "annotations") or sum(of_freezers_time) * 2 > len(of_freezers_time)


def frame_problems(archive: ImageArchive) -> Iterator[str]:
    """Yield the differences between the file and what freezer writes for its content."""
    names = sorted(archive.members)
    at = 0
    with open(archive.path, "rb") as file:
        for name in names:
            member = archive.members[name]
            expected = tar.header(tar.Member(name, tar.Kind.FILE, member.size, 0o644, 0, 0, DEFAULT_EPOCH))
            file.seek(at)
            if member.offset != at + tar.BLOCK or file.read(tar.BLOCK) != expected:
                yield f"the header of {name} differs from what freezer wrote"
                return
            at = member.offset + member.size + -member.size % tar.BLOCK
        if os.fstat(file.fileno()).st_size != at + len(tar.END):
            yield "the archive's end differs from what freezer wrote"
    image = archive.images[0]
    listed = archive.document("manifest.json") if "manifest.json" in archive.members else b""
    try:
        references = [parse_reference(name) for name in image.names]
        platform = model.Platform(image.config["architecture"], image.config.get("variant"))
        descriptor = model.describe(archive.document(model.blob_name(str(image.manifest_digest))), model.MANIFEST_TYPE)
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
            "index.json": model.index(descriptor, platform, references[0], listed),
        }
    except (InputError, LookupError, TypeError) as error:
        yield f"the documents differ from what freezer writes: {error}"
        return
    for name, data in expected_documents.items():
        if name not in archive.members or archive.document(name) != data:
            yield f"{name} differs from what freezer wrote"
