"""Reading images that nobody vouches for: damaged and hostile ones are refused by name."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from images import Made, blob, digest, link, pack
from judging import GOOD, judge

from freezer.base.oci import archive as module
from freezer.base.oci.archive import open_image


def test_docker_s_archives(tmp_path: Path) -> None:
    """Of old: no layout, layers in directories, and links for layers that are equal."""
    made = Made(GOOD, GOOD)
    config = json.dumps(made.config).encode()
    listed = [{"Config": "c.json", "Layers": ["1/layer.tar", "2/layer.tar"], "RepoTags": None}]
    contents = {"c.json": config, "manifest.json": json.dumps(listed).encode(), "1/layer.tar": GOOD}
    path = pack(tmp_path / "image.tar", contents, [link("2/layer.tar", "../1/layer.tar")])
    assert judge(path) == ""
    with open_image(path) as opened:
        assert opened.images[0].config_digest == digest(config)


def nested_json() -> bytes:
    return b"[" * 200_000


REFUSED: dict[str, Callable[[dict[str, bytes]], Any]] = {
    "no image": lambda contents: {"x": b"y"},
    "no layer": lambda contents: {name: data for name, data in contents.items() if data != GOOD},
    "json": lambda contents: {**contents, "index.json": b"{"},
    "json that is deep": lambda contents: {**contents, "index.json": nested_json()},
    "json with a key twice": lambda contents: {**contents, "index.json": b'{"manifests":[],"manifests":[]}'},
    "json with NaN": lambda contents: {**contents, "index.json": b'{"a":NaN}'},
    "json that is no text": lambda contents: {**contents, "index.json": b"\xff"},
    "json that is long": lambda contents: {**contents, "index.json": b" " * (5 << 20)},
    "a list that is none": lambda contents: {**contents, "manifest.json": b"{}"},
    "an outer parent": lambda contents: {**contents, "../x": b""},
    "an outer absolute path": lambda contents: {**contents, "/x": b""},
    "an outer name twice": lambda contents: {**contents, "./index.json": b"{}"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path: Path, name: str) -> None:
    path = pack(tmp_path / "image.tar", REFUSED[name](Made(GOOD).contents()))
    assert "is not an image, or is damaged" in judge(path)


def test_outer_types(tmp_path: Path) -> None:
    contents = Made(GOOD).contents()
    path = pack(tmp_path / "image.tar", contents, [("fifo", {"type": tarfile.FIFOTYPE})])
    assert "type that is not allowed in images" in judge(path)


def test_compressed_as_a_whole(tmp_path: Path) -> None:
    path = Made(GOOD).write(tmp_path / "image.tar")
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert "compressed as a whole" in judge(path)


def test_many_nested_indexes(tmp_path: Path) -> None:
    """Each level names the next forty times; nobody may follow all of that."""
    made = Made(GOOD)
    contents = made.contents()
    below = made.index["manifests"][0]
    for _ in range(3):
        index = json.dumps({"schemaVersion": 2, "manifests": [below] * 40}).encode()
        contents[blob(index)] = index
        below = made.descriptor(index, "application/vnd.oci.image.index.v1+json")
    contents["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [below] * 40}).encode()
    assert "more than 1000 entries" in judge(pack(tmp_path / "image.tar", contents))


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["none", "short", "garbage", "bomb"])
def test_compressed_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, damage: str) -> None:
    import zstandard

    compress = gzip.compress if kind == "gzip" else zstandard.ZstdCompressor().compress
    packed = compress(GOOD[:5000]) + compress(GOOD[5000:])
    if damage == "short":
        packed = packed[:-1]
    elif damage == "garbage":
        packed += b"garbage"
    elif damage == "bomb":
        monkeypatch.setattr(module, "MAX_LAYER", len(GOOD) - 1)
    made = Made(GOOD)
    made.layers = [packed]
    made.manifest["layers"] = [made.descriptor(packed, f"application/vnd.oci.image.layer.v1.tar+{kind}")]
    said = judge(made.write(tmp_path / "image.tar"))
    assert (said == "") == (damage == "none")
