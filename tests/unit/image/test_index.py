"""Images of several architectures in one file."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from images import Made, archive, blob, file, pack
from judging import GOOD, judge

from freezer.base.errors import FreezerError, InputError, UsageError
from freezer.base.log import Log
from freezer.base.oci.archive import open_image
from freezer.base.oci.model import LAYOUT, LAYOUT_ANNOTATION
from freezer.base.oci.reference import parse_reference
from freezer.image.index import IndexFile, join_images

NAME = "docker.io/library/a:1"
TITLE = "org.opencontainers.image.title"


def image(folder: Path, architecture: str, **fields: Any) -> Path:
    """An image with a layer that all of them have, and one of its own."""
    made = Made(GOOD, archive(file("etc/x", architecture.encode())))
    made.config.update({"architecture": architecture, **fields})
    made.manifest["annotations"] = {TITLE: "a", "org.opencontainers.image.created": architecture, "other": "x"}
    return made.write(folder / f"{architecture}{fields.get('variant', '')}.tar")


def join(sources: Sequence[Path], output: Path, *names: str) -> IndexFile:
    return join_images(sources, [parse_reference(name) for name in names], output, Log(stream=io.StringIO()))


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]


def test_two_architectures(tmp_path: Path) -> None:
    one, other = image(tmp_path, "amd64"), image(tmp_path, "arm64", variant="v8")
    made = join([one, other], tmp_path / "all.tar")
    found = contents(made.path)
    (top,) = json.loads(found["index.json"])["manifests"]
    assert top["digest"] == made.digest
    assert "platform" not in top
    assert top["annotations"] == {"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": "1"}
    index = json.loads(found["blobs/" + made.digest.replace(":", "/")])
    # What describes both, and nothing that describes one of them.
    assert index["annotations"] == {TITLE: "a"}
    assert [item["platform"] for item in index["manifests"]] == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
    ]
    before = {**contents(one), **contents(other)}
    for item in index["manifests"]:
        name = "blobs/" + item["digest"].replace(":", "/")
        assert found[name] == before[name]
    assert {name for name in found if name.startswith("blobs/")} == {
        *(name for name in before if name.startswith("blobs/")),
        "blobs/" + made.digest.replace(":", "/"),
    }
    assert [item["RepoTags"] for item in json.loads(found["manifest.json"])] == [[NAME], [f"{NAME}-arm64"]]
    assert made.names == (NAME,)
    assert [platform for platform, _, _ in made.platforms] == ["linux/amd64", "linux/arm64/v8"]
    assert judge(made.path) == ""


def test_the_same_bytes_again(tmp_path: Path) -> None:
    sources = [image(tmp_path, "amd64"), image(tmp_path, "s390x")]
    first = join(sources, tmp_path / "first.tar").path
    assert join(sources, tmp_path / "second.tar").path.read_bytes() == first.read_bytes()


def test_an_index_is_joined_with_another_image(tmp_path: Path) -> None:
    both = join([image(tmp_path, "amd64"), image(tmp_path, "arm64")], tmp_path / "both.tar").path
    third = image(tmp_path, "arm", variant="v6")
    made = join([both, third], tmp_path / "all.tar", "b:2")
    at_once = join([image(tmp_path, "amd64"), image(tmp_path, "arm64"), third], tmp_path / "once.tar", "b:2")
    assert made.path.read_bytes() == at_once.path.read_bytes()
    listed = json.loads(contents(made.path)["manifest.json"])
    assert [item["RepoTags"][0].partition(":")[2] for item in listed] == ["2", "2-arm64", "2-arm-v6"]


def test_a_layout_and_a_docker_archive(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    for name, data in contents(image(tmp_path, "amd64")).items():
        (layout / name).parent.mkdir(parents=True, exist_ok=True)
        (layout / name).write_bytes(data)
    saved = contents(image(tmp_path, "arm64"))
    docker = pack(
        tmp_path / "docker.tar", {name: saved[name] for name in saved if name not in ("oci-layout", "index.json")}
    )
    made = join([layout, docker], tmp_path / "all.tar")
    assert judge(made.path) == ""
    with open_image(made.path) as opened:
        assert [item.config["architecture"] for item in opened.images] == ["amd64", "arm64"]


def test_attestations_stay_with_their_image(tmp_path: Path) -> None:
    made = Made(GOOD)
    files = made.contents()
    (of_image,) = made.index["manifests"]
    statement = Made(b"{}")
    statement.config = {"architecture": "unknown", "os": "unknown", "rootfs": statement.config["rootfs"]}
    files.update((name, data) for name, data in statement.contents().items() if name.startswith("blobs/"))
    attached = {
        **statement.index["manifests"][0],
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {"vnd.docker.reference.digest": of_image["digest"]},
    }
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [of_image, attached]}).encode()
    found = contents(join([pack(tmp_path / "a.tar", files), image(tmp_path, "arm64")], tmp_path / "all.tar").path)
    (top,) = json.loads(found["index.json"])["manifests"]
    index = json.loads(found["blobs/" + top["digest"].replace(":", "/")])
    assert index["manifests"][1] == attached
    assert len(index["manifests"]) == 3
    assert len(json.loads(found["manifest.json"])) == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "two of the images are for linux/amd64"),
        ({"architecture": "arm64", "variant": "v8"}, "two of the images are for linux/arm64/v8"),
        ({"architecture": ""}, "states no platform"),
        ({"os": None}, "states no platform"),
    ],
)
def test_platforms_that_are_refused(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    first = [image(tmp_path, "amd64"), image(tmp_path, "arm64")]
    made = Made(GOOD, archive(file("etc/other")))
    made.config.update(fields)
    with pytest.raises(InputError, match=words):
        join([*first, made.write(tmp_path / "third.tar")], tmp_path / "all.tar")
    assert not (tmp_path / "all.tar").exists()


def test_other_names(tmp_path: Path) -> None:
    made = Made(GOOD)
    made.config["architecture"] = "arm64"
    made.contents()
    made.listed[0]["RepoTags"] = ["docker.io/library/b:1"]
    sources = [image(tmp_path, "amd64"), made.write(tmp_path / "b.tar")]
    with pytest.raises(UsageError, match="name of the joined images is missing"):
        join(sources, tmp_path / "all.tar")
    assert join(sources, tmp_path / "all.tar", "c:3").names == ("docker.io/library/c:3",)


def test_a_tag_is_no_name(tmp_path: Path) -> None:
    """As OCI layouts have it: the name is that of the directory."""
    made = Made(GOOD)
    made.listed = []
    made.contents()
    made.index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "1.2"}
    with pytest.raises(UsageError) as raised:
        join([made.write(tmp_path / "a.tar")], tmp_path / "all.tar")
    assert raised.value.why == "they have none"


def test_a_tag_that_becomes_too_long(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a valid image name"):
        join([image(tmp_path, "amd64"), image(tmp_path, "arm64")], tmp_path / "all.tar", "a:" + "1" * 125)


def test_damage_is_found(tmp_path: Path) -> None:
    """In every file that is copied; the layer that both have may come from either."""
    whole = contents(image(tmp_path, "amd64"))
    other = image(tmp_path, "arm64")
    names = [name for name in whole if name.startswith("blobs/") and name != blob(GOOD)]
    assert len(names) == 3
    for name in names:
        data = bytearray(whole[name])
        data[len(data) // 2] ^= 1
        with pytest.raises(FreezerError):
            join([pack(tmp_path / "bad.tar", {**whole, name: bytes(data)}), other], tmp_path / "all.tar")
        assert not (tmp_path / "all.tar").exists()


def test_an_input_is_no_output(tmp_path: Path) -> None:
    one, other = image(tmp_path, "amd64"), image(tmp_path, "arm64")
    before = one.read_bytes()
    with pytest.raises(UsageError, match="would be replaced"):
        join([one, other], one)
    assert one.read_bytes() == before


def test_a_changed_byte_of_the_frame_is_found(tmp_path: Path) -> None:
    """In what no digest covers, if one of the images is freezer's own."""
    sources = []
    for architecture in ("amd64", "arm64"):
        made = Made(GOOD)
        made.config["architecture"] = architecture
        made.manifest["annotations"] = {LAYOUT_ANNOTATION: LAYOUT}
        # A foreign file: its own frame is not judged here.
        sources.append(made.write(tmp_path / f"{architecture}.tar"))
    path = join(sources, tmp_path / "all.tar").path
    assert judge(path) == ""
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        places = [
            (tar.getmember(name).offset_data, tar.getmember(name).size) for name in ("index.json", "manifest.json")
        ]
    for start, size in places:
        for at in range(start, start + size, 7):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert judge(path) != "", at


def test_blobs_are_shared(tmp_path: Path) -> None:
    sources = [image(tmp_path, "amd64"), image(tmp_path, "arm64")]
    names = [item for item in contents(join(sources, tmp_path / "all.tar").path) if item == blob(GOOD)]
    assert names == [blob(GOOD)]
