"""The documents of an image are canonical, and state what the specification asks for."""

from __future__ import annotations

import hashlib
import json

import pytest

from freezer.base.oci import model
from freezer.base.oci.model import Descriptor, PackedLayer, Platform
from freezer.base.oci.reference import parse_reference

LAYER = PackedLayer(Descriptor(model.OCI.layer, "sha256:" + "a" * 64, 7), "sha256:" + "b" * 64, "the base")
ARM = Platform("arm64", "v8")


def test_canonical() -> None:
    assert model.canonical({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"é"]}'.encode()


def test_descriptors() -> None:
    descriptor = model.describe(b"abc", "text/plain")
    digest = hashlib.sha256(b"abc").hexdigest()
    assert descriptor.fields() == {"mediaType": "text/plain", "digest": f"sha256:{digest}", "size": 3}
    assert model.blob_name(descriptor.digest) == f"blobs/sha256/{digest}"


@pytest.mark.parametrize(
    ("platform", "text", "fields"),
    [
        (Platform("amd64"), "linux/amd64", {"os": "linux", "architecture": "amd64"}),
        (ARM, "linux/arm64/v8", {"os": "linux", "architecture": "arm64", "variant": "v8"}),
    ],
)
def test_platforms(platform: Platform, text: str, fields: dict[str, str]) -> None:
    assert (str(platform), platform.fields()) == (text, fields)


@pytest.mark.parametrize(
    ("epoch", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_700_000_000, "2023-11-14T22:13:20Z"), (1, "1970-01-01T00:00:01Z")],
)
def test_timestamps(epoch: int, text: str) -> None:
    assert model.timestamp(epoch) == text


def test_configuration() -> None:
    made = json.loads(model.configuration(ARM, {"User": "1"}, [LAYER, LAYER], "2024-01-01T00:00:00Z", "freezer 9"))
    assert made["rootfs"] == {"type": "layers", "diff_ids": [LAYER.diff_id] * 2}
    assert [item["comment"] for item in made["history"]] == ["the base"] * 2
    assert (made["architecture"], made["variant"], made["config"]) == ("arm64", "v8", {"User": "1"})


def test_manifest_index_and_list_name_one_another() -> None:
    config = model.describe(b"{}", model.OCI.config)
    manifest = json.loads(model.manifest(config, [LAYER], {"k": "v"}))
    assert (manifest["schemaVersion"], manifest["config"]["digest"]) == (2, config.digest)
    assert manifest["layers"] == [LAYER.descriptor.fields()]
    assert manifest["annotations"] == {"k": "v", model.LAYOUT_ANNOTATION: "2"}
    names = [parse_reference("a:1"), parse_reference("registry.example.com/b")]
    listed = model.image_list(config, [LAYER], names)
    assert json.loads(listed) == [
        {
            "Config": model.blob_name(config.digest),
            "Layers": [model.blob_name(LAYER.descriptor.digest)],
            "RepoTags": ["docker.io/library/a:1", "registry.example.com/b:latest"],
        }
    ]
    index = json.loads(model.index(config, ARM, names, listed))
    assert index["annotations"] == {model.LIST_ANNOTATION: model.digest(listed)}
    assert [item["annotations"] for item in index["manifests"]] == [
        {model.NAME_ANNOTATION: "docker.io/library/a:1", model.REFERENCE_ANNOTATION: "1"},
        {model.NAME_ANNOTATION: "registry.example.com/b:latest", model.REFERENCE_ANNOTATION: "latest"},
    ]
    assert all(item["platform"] == ARM.fields() and item["digest"] == config.digest for item in index["manifests"])
    assert json.loads(model.layout()) == {"imageLayoutVersion": "1.0.0"}


def test_names_with_one_tag_are_told_apart() -> None:
    """umoci and skopeo know an image in a layout by its reference alone."""
    names = [parse_reference(text) for text in ("a:1", "b:1", "a:2")]
    index = json.loads(model.index(model.describe(b"{}", model.OCI.config), ARM, names, b""))
    references = [item["annotations"][model.REFERENCE_ANNOTATION] for item in index["manifests"]]
    assert references == ["1", "docker.io/library/b:1", "2"]


def test_docker_s_types() -> None:
    config = model.describe(b"{}", model.DOCKER.config)
    manifest = json.loads(model.manifest(config, [LAYER], {}, model.DOCKER))
    assert manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert manifest["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json"
    found = {model.DOCKER.of_layer(suffix) for suffix in ("", "+gzip", "+zstd")}
    assert found == {f"application/vnd.docker.image.rootfs.diff.tar{suffix}" for suffix in ("", ".gzip", ".zstd")}
