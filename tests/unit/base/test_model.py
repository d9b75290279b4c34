"""The documents of an image are canonical, and state what the specification asks for."""

from __future__ import annotations

import hashlib
import json

import pytest

from freezer.base.oci import model
from freezer.base.oci.model import Descriptor, PackedLayer, Platform
from freezer.base.oci.reference import parse_reference

LAYER = PackedLayer(Descriptor(model.LAYER_TYPE, "sha256:" + "a" * 64, 7), "sha256:" + "b" * 64, "the base")
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
    config = model.describe(b"{}", model.CONFIG_TYPE)
    manifest = json.loads(model.manifest(config, [LAYER], {"k": "v"}))
    assert (manifest["schemaVersion"], manifest["config"]["digest"]) == (2, config.digest)
    assert manifest["layers"] == [LAYER.descriptor.fields()]
    assert manifest["annotations"] == {"k": "v", model.LAYOUT_ANNOTATION: "1"}
    names = [parse_reference("a:1"), parse_reference("registry.example.com/b")]
    listed = model.image_list(config, [LAYER], names)
    assert json.loads(listed) == [
        {
            "Config": model.blob_name(config.digest),
            "Layers": [model.blob_name(LAYER.descriptor.digest)],
            "RepoTags": ["docker.io/library/a:1", "registry.example.com/b:latest"],
        }
    ]
    index = json.loads(model.index(config, ARM, names[0], listed))
    assert index["annotations"] == {model.LIST_ANNOTATION: model.digest(listed)}
    (described,) = index["manifests"]
    assert described["platform"] == ARM.fields()
    assert described["annotations"] == {model.NAME_ANNOTATION: "docker.io/library/a:1", model.REFERENCE_ANNOTATION: "1"}
    assert json.loads(model.layout()) == {"imageLayoutVersion": "1.0.0"}
