"""The documents of image files, byte for byte, and the manifests that docker's archives get."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from images import Made, archive, blob, digest, file, pack
from judging import GOOD

from freezer.base.errors import InputError
from freezer.base.oci.archive import open_image
from freezer.base.oci.nodes import Node, platform_of_config, top_nodes

OCI = "application/vnd.oci.image."


def nodes(path: Path) -> tuple[Node, ...]:
    with open_image(path) as opened:
        return top_nodes(opened)


def test_a_manifest_keeps_its_bytes(tmp_path: Path) -> None:
    made = Made(GOOD, archive(file("etc/x")))
    (node,) = nodes(made.write(tmp_path / "image.tar"))
    assert node.data == json.dumps(made.manifest).encode()
    assert node.descriptor.digest == digest(node.data)
    assert [part.descriptor.digest for part in node.parts] == [
        digest(json.dumps(made.config).encode()),
        *map(digest, made.layers),
    ]
    assert list(node.manifests()) == [node]
    assert not node.is_index


def test_an_index_in_the_index(tmp_path: Path) -> None:
    made = Made(GOOD)
    contents = made.contents()
    inner = json.dumps({"schemaVersion": 2, "manifests": made.index["manifests"]}).encode()
    contents[blob(inner)] = inner
    outer = {"manifests": [Made.descriptor(inner, f"{OCI}index.v1+json")]}
    contents["index.json"] = json.dumps(outer).encode()
    (node,) = nodes(pack(tmp_path / "image.tar", contents))
    assert (node.is_index, node.data, node.parts) == (True, inner, ())
    assert [below.data for below in node.manifests()] == [json.dumps(made.manifest).encode()]


def test_one_image_under_two_tags_is_one(tmp_path: Path) -> None:
    made = Made(GOOD)
    made.contents()
    made.index["manifests"] *= 2
    assert len(nodes(made.write(tmp_path / "image.tar"))) == 1


def test_a_size_that_is_another(tmp_path: Path) -> None:
    made = Made(GOOD)
    made.manifest["layers"][0]["size"] += 1
    with pytest.raises(InputError) as raised:
        nodes(made.write(tmp_path / "image.tar"))
    assert "its descriptor says" in str(raised.value.why)


@pytest.mark.parametrize(
    "fields",
    [
        {"digest": "md5:" + "0" * 32},
        {"digest": "sha256:../../index.json"},
        {"digest": None},
        {"mediaType": "a/b\r\nX-Header: c"},
        {"mediaType": "a b"},
        {"size": True},
        {"size": None},
    ],
)
def test_descriptors_that_are_none(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Digests become parts of addresses, and types become headers."""
    made = Made(GOOD)
    made.contents()
    made.index["manifests"][0].update(fields)
    with pytest.raises(InputError, match="is not an image, or is damaged"):
        nodes(made.write(tmp_path / "image.tar"))


@pytest.mark.parametrize("kind", ["", "application/vnd.oci.image.manifest.v1+json"])
def test_a_type_that_only_the_document_has(tmp_path: Path, kind: str) -> None:
    made = Made(GOOD)
    made.contents()
    made.index["manifests"][0]["mediaType"] = kind
    (node,) = nodes(made.write(tmp_path / "image.tar"))
    assert node.descriptor.media_type == "application/vnd.oci.image.manifest.v1+json"


def docker_archive(folder: Path, layer: bytes, diff_id: str) -> Path:
    made = Made(layer)
    made.config["rootfs"]["diff_ids"] = [diff_id]
    contents = made.contents()
    only = {"manifest.json": contents["manifest.json"]}
    only.update((name, data) for name, data in contents.items() if name.startswith("blobs/"))
    return pack(folder / "docker.tar", only)


@pytest.mark.parametrize("compress", [False, True])
def test_a_docker_archive_gets_a_manifest(tmp_path: Path, compress: bool) -> None:
    layer = gzip.compress(GOOD, mtime=0) if compress else GOOD
    path = docker_archive(tmp_path, layer, digest(GOOD))
    (node,) = nodes(path)
    manifest = json.loads(node.data)
    assert manifest["layers"] == [Made.descriptor(layer, f"{OCI}layer.v1.tar{'+gzip' if compress else ''}")]
    assert manifest["mediaType"] == node.descriptor.media_type == f"{OCI}manifest.v1+json"
    assert manifest["config"]["digest"] == digest(json.dumps(node.config).encode())
    assert nodes(path) == (node,)


@pytest.mark.parametrize("compress", [False, True])
def test_a_damaged_layer_of_a_docker_archive(tmp_path: Path, compress: bool) -> None:
    layer = gzip.compress(GOOD, mtime=0) if compress else GOOD
    with pytest.raises(InputError) as raised:
        nodes(docker_archive(tmp_path, layer, digest(b"another")))
    assert "unpacked, not" in str(raised.value.why)


@pytest.mark.parametrize(
    ("config", "described", "expected"),
    [
        ({"os": "linux", "architecture": "arm64"}, {}, {"os": "linux", "architecture": "arm64"}),
        (
            {"os": "linux", "architecture": "arm"},
            {"os": "other", "architecture": "other", "variant": "v6"},
            {"os": "linux", "architecture": "arm", "variant": "v6"},
        ),
        (
            {"os": "windows", "architecture": "amd64", "os.version": "10"},
            {"os.version": "11"},
            {"os": "windows", "architecture": "amd64", "os.version": "10"},
        ),
        ({"os": "linux"}, {"architecture": "amd64"}, None),
        ({"os": "linux", "architecture": ["amd64"]}, {}, None),
    ],
)
def test_the_platform(config: dict[str, Any], described: dict[str, Any], expected: Any, tmp_path: Path) -> None:
    made = Made(GOOD)
    made.contents()
    (node,) = nodes(made.write(tmp_path / "image.tar"))
    assert platform_of_config(Node(node.descriptor, b"", {"platform": described}, config=config)) == expected
