"""Referrers in image files: written and read back, and refused if they are damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from images import Made, blob, pack
from judging import GOOD

from freezer.base.errors import InputError
from freezer.base.oci.archive import open_image
from freezer.base.oci.model import OCI, Descriptor, digest
from freezer.base.oci.referrers import (
    Content,
    Referrer,
    blobs_of,
    listed,
    read_referrer,
    referrer,
    referrer_nodes,
    subject_of,
)
from freezer.image.check import validate

EMPTY = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def about(subject: Descriptor) -> Referrer:
    return referrer("text/x", [Content(b"one", "text/plain", {"a": "b"}), Content(b"two", "text/plain", {})], subject)


def test_a_manifest() -> None:
    item = about(Descriptor(OCI.manifest, "sha256:" + "a" * 64, 7))
    document = json.loads(item.manifest)
    assert document["config"] == {"mediaType": "application/vnd.oci.empty.v1+json", "digest": EMPTY, "size": 2}
    assert [layer.get("annotations") for layer in document["layers"]] == [{"a": "b"}, None]
    assert document["subject"] == {"mediaType": OCI.manifest, "digest": "sha256:" + "a" * 64, "size": 7}
    assert item.blobs == {EMPTY: b"{}", digest(b"one"): b"one", digest(b"two"): b"two"}
    assert item.descriptor == Descriptor(OCI.manifest, digest(item.manifest), len(item.manifest))


def test_lists() -> None:
    """The type is that of the configuration if the manifest has none; annotations are copied."""
    descriptor = Descriptor(OCI.manifest, "sha256:" + "b" * 64, 9)
    manifest = {"config": {"mediaType": "x/y"}, "annotations": {"a": "b"}}
    assert listed(descriptor, manifest) == {**descriptor.fields(), "artifactType": "x/y", "annotations": {"a": "b"}}
    assert listed(descriptor, {**manifest, "artifactType": "z", "annotations": {}})["artifactType"] == "z"
    assert blobs_of([]) == (None, {})


def write(folder: Path, change: Any = None, subject: str = "") -> Path:
    """An image with a referrer; ``change`` is made to all files before they are packed."""
    made = Made(GOOD)
    contents = made.contents()
    (image,) = made.index["manifests"]
    item = about(Descriptor(OCI.manifest, subject or image["digest"], image["size"]))
    index, blobs = blobs_of([item])
    made.index["annotations"] = {"io.github.freezer.referrers": index}
    contents.update({**blobs, "index.json": json.dumps(made.index).encode()})
    if change is not None:
        change(contents, made.index, item)
    return pack(folder / "image.tar", contents)


def test_read_back(tmp_path: Path) -> None:
    with open_image(write(tmp_path)) as opened:
        (node,) = referrer_nodes(opened)
        assert subject_of(node) == opened.images[0].manifest_digest
        (image,) = opened.parsed("index.json")["manifests"]
        assert read_referrer(opened, node) == about(Descriptor(OCI.manifest, image["digest"], image["size"]))
        # Readers of images see one image, as before.
        assert len(opened.images) == 1 and validate(opened).problems == ()


def test_images_without_any(tmp_path: Path) -> None:
    with open_image(Made(GOOD).write(tmp_path / "image.tar")) as opened:
        assert referrer_nodes(opened) == ()


def without(name: str) -> Any:
    return lambda contents, _index, _item: contents.pop(name)


def rewrite(digest_of_index: Any) -> Any:
    def change(contents: dict[str, bytes], index: dict[str, Any], _item: Referrer) -> None:
        index["annotations"] = {"io.github.freezer.referrers": digest_of_index}
        contents["index.json"] = json.dumps(index).encode()

    return change


def with_index(document: Any) -> Any:
    def change(contents: dict[str, bytes], index: dict[str, Any], item: Referrer) -> None:
        data = json.dumps(document(item)).encode()
        contents[blob(data)] = data
        rewrite(digest(data))(contents, index, item)

    return change


def no_subject(contents: dict[str, bytes], index: dict[str, Any], item: Referrer) -> None:
    document = json.loads(item.manifest)
    del document["subject"]
    data = json.dumps(document).encode()
    contents[blob(data)] = data
    entry = {**item.descriptor.fields(), "digest": digest(data), "size": len(data)}
    with_index(lambda _item: {"manifests": [entry]})(contents, index, item)


@pytest.mark.parametrize(
    "change",
    [
        without(blob(b"one")),
        without(blob(b"{}")),
        rewrite("sha256:" + "0" * 64),
        rewrite("nonsense"),
        rewrite(["x"]),
        with_index(lambda item: {"manifests": [{**item.descriptor.fields(), "size": 1}]}),
        with_index(lambda item: {"manifests": [item.descriptor.fields()] * 1001}),
        no_subject,
    ],
)
def test_damage(tmp_path: Path, change: Any) -> None:
    with open_image(write(tmp_path, change)) as opened, pytest.raises(InputError):
        for node in referrer_nodes(opened):
            read_referrer(opened, node)


def test_a_changed_document(tmp_path: Path) -> None:
    def change(contents: dict[str, bytes], _index: Any, _item: Referrer) -> None:
        contents[blob(b"one")] = b"two"

    with open_image(write(tmp_path, change)) as opened:
        (node,) = referrer_nodes(opened)
        with pytest.raises(InputError) as raised:
            read_referrer(opened, node)
    assert "has the digest" in str(raised.value.why)


def test_a_referrer_to_nothing_in_the_file(tmp_path: Path) -> None:
    with open_image(write(tmp_path, subject="sha256:" + "0" * 64)) as opened:
        (problem,) = validate(opened).problems
    assert "is about 'sha256:0000" in problem and "which is not in the file" in problem
