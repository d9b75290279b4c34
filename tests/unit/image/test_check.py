"""Images are judged: good ones pass, every broken rule is named, and hostile ones are refused."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from images import Made, archive, blob, digest, file, folder, link, pack
from support import compile_c

from freezer.application.origin import Origin
from freezer.base.errors import InputError
from freezer.base.log import Log
from freezer.base.oci import archive as module
from freezer.base.oci.archive import open_image
from freezer.image.check import validate
from freezer.image.make import image_of_executable
from freezer.plan.resolve import resolve_for_image

GOOD = archive(folder("."), folder("tmp", 0o1777), file("run", b"program", mode=0o755))


def judge(path: Path) -> str:
    """All problems, or the refusal."""
    try:
        with open_image(path) as opened:
            return "\n".join(validate(opened).problems)
    except InputError as error:
        assert str(path) in error.what
        return f"{error.what}: {error.why}"


def test_good(tmp_path: Path) -> None:
    path = Made(GOOD, archive(file("etc/x"))).write(tmp_path / "image.tar")
    assert judge(path) == ""
    with open_image(path) as opened:
        (image,) = opened.images
        assert image.names == ("docker.io/library/a:1",)
        assert [blob.size for blob in image.layers] == [len(GOOD), 10240]


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


def settings(**values: Any) -> Callable[[], Made]:
    return lambda: Made(GOOD, settings={"User": "1000", "Cmd": ["/run"], **values})


def layer(*entries: Any) -> Callable[[], Made]:
    return lambda: Made(GOOD, archive(*entries))


def with_part(part: str, **values: Any) -> Callable[[], Made]:
    def make() -> Made:
        made = Made(GOOD)
        getattr(made, part).update(values)
        return made

    return make


def listed(**values: Any) -> Callable[[], Made]:
    def make() -> Made:
        made = Made(GOOD)
        made.contents()
        made.listed[0].update(values)
        return made

    return make


def wrong_digest(made: Made) -> Made:
    made.config["rootfs"]["diff_ids"] = [digest(b"other")]
    return made


def rootfs_type(made: Made) -> Made:
    made.config["rootfs"]["type"] = "other"
    return made


PROBLEMS: dict[str, tuple[Callable[[], Made], str]] = {
    "root": (settings(User="0"), "runs as root"),
    "no user": (settings(User=""), "runs as root"),
    "user by name": (settings(User="app"), "must be a number"),
    "no command": (settings(Cmd=None), "neither an entrypoint nor a command"),
    "command missing": (settings(Cmd=["/gone"]), "is not in it"),
    "command not executable": (layer(file("run", mode=0o644)), "cannot be executed"),
    "command removed": (layer(file(".wh.run", b"")), "is not in it"),
    "setuid": (layer(file("su", mode=0o4755)), "/su is setuid"),
    "setgid": (layer(file("sg", mode=0o2755)), "/sg is setuid or setgid"),
    "writable file": (layer(file("w", mode=0o666)), "/w can be written to by everybody"),
    "writable directory": (layer(folder("w", 0o1777)), "/w can be written to"),
    "device": (layer(("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})), "/null is a device"),
    "parent": (layer(file("../x")), "reaches out of the root"),
    "absolute": (layer(file("/x")), "reaches out of the root"),
    "parent inside": (layer(file("a/../../x")), "reaches out of the root"),
    "twice": (layer(file("x"), file("x")), "has 'x' twice"),
    "twice by another name": (layer(file("x"), file("./x")), "has 'x' twice"),
    "through a link": (layer(link("l", "/etc"), file("l/x")), "below 'l', which is no directory"),
    "through a lower layer's file": (layer(file("run/x")), "below 'run', which is no directory"),
    "hard link out": (layer(link("h", "../x", tarfile.LNKTYPE)), "hard link"),
    "hard link to nothing": (layer(link("h", "gone", tarfile.LNKTYPE)), "hard link"),
    "layout version": (with_part("layout", imageLayoutVersion="2.0.0"), "imageLayoutVersion"),
    "index version": (with_part("index", schemaVersion=1), "index.json does not say schemaVersion 2"),
    "manifest type": (with_part("manifest", mediaType="text/plain"), "is of the type 'text/plain'"),
    "no architecture": (with_part("config", architecture=""), "no architecture"),
    "rootfs type": (lambda: rootfs_type(Made(GOOD)), "not of the type layers"),
    "diff ID": (lambda: wrong_digest(Made(GOOD)), "the configuration says"),
    "tag": (listed(RepoTags=["Bad:"]), "is no name for an image"),
    "listed configuration": (listed(Config="gone.json"), "which is not there"),
    "listed layers": (listed(Layers=[]), "other layers"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems(tmp_path: Path, name: str) -> None:
    make, said = PROBLEMS[name]
    assert said in judge(make().write(tmp_path / "image.tar"))


@pytest.mark.parametrize("whiteout", [".wh.d", "d/.wh..wh..opq", ".wh..wh..opq"])
def test_removed_files_do_not_count(tmp_path: Path, whiteout: str) -> None:
    """Also where no layer names the directory that they were in."""
    bad = archive(file("d/su", mode=0o4755))
    assert "/d/su is setuid" in judge(Made(GOOD, bad).write(tmp_path / "image.tar"))
    again = archive(file(whiteout, b""), file("run", b"program", mode=0o755))
    assert judge(Made(GOOD, bad, again).write(tmp_path / "image.tar")) == ""


def test_platforms_and_names_must_agree(tmp_path: Path) -> None:
    made = Made(GOOD)
    made.contents()
    made.index["manifests"][0]["platform"] = {"os": "linux", "architecture": "arm64"}
    made.index["manifests"][0]["annotations"] = {"io.containerd.image.name": "docker.io/library/b:1"}
    said = judge(made.write(tmp_path / "image.tar"))
    assert "architecture 'arm64'" in said
    assert "calls the image 'docker.io/library/b:1'" in said
    made.index["manifests"] *= 2
    assert "take files with one only" in judge(made.write(tmp_path / "image.tar"))


def test_damaged_blobs(tmp_path: Path) -> None:
    contents = Made(GOOD).contents()
    contents[blob(GOOD)] = GOOD.replace(b"program", b"Program")
    said = judge(pack(tmp_path / "image.tar", contents))
    assert "is damaged" in said and "unpacked; the configuration says" in said
    contents = Made(GOOD).contents()
    contents["blobs/sha256/" + "0" * 64] = b"nobody's"
    assert "is damaged" in judge(pack(tmp_path / "image.tar", contents))


def test_sizes_must_be_right(tmp_path: Path) -> None:
    made = Made(GOOD)
    made.manifest["layers"][0]["size"] += 1
    assert "bytes;" in judge(made.write(tmp_path / "image.tar"))


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
    assert "is no image, or a damaged one" in judge(path)


def test_outer_types(tmp_path: Path) -> None:
    contents = Made(GOOD).contents()
    path = pack(tmp_path / "image.tar", contents, [("fifo", {"type": tarfile.FIFOTYPE})])
    assert "type that images do not have" in judge(path)


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


def test_packed_anew(tmp_path: Path) -> None:
    """By a tool that keeps the manifest, such as skopeo: then the frame is that tool's, and no longer freezer's."""
    program = compile_c("int main(void) { return 0; }", tmp_path / "app", "-static", "-s")
    plan = resolve_for_image({"output": "image.tar"}, folder=tmp_path, environ={})
    path = image_of_executable(plan, program, Origin(None, None, 0), Log(stream=io.StringIO()), "app").path
    with open_image(path) as opened:
        contents = {name: b"".join(opened.chunks(name)) for name in opened.members if name != "manifest.json"}
    index = json.loads(contents["index.json"])
    del index["annotations"]
    contents["index.json"] = json.dumps(index, indent=1).encode()
    assert judge(pack(tmp_path / "anew.tar", contents)) == ""


def test_every_byte_counts(tmp_path: Path) -> None:
    """In a file of freezer's own, a change of any byte outside the layers is found, and of some inside."""
    program = compile_c("int main(void) { return 0; }", tmp_path / "app", "-static", "-s")
    values = {"output": "image.tar", "tag": ["a:1", "b:2"], "label": ["k=v"]}
    plan = resolve_for_image(values, folder=tmp_path, environ={})
    path = image_of_executable(plan, program, Origin(None, None, 0), Log(stream=io.StringIO()), "app").path
    assert judge(path) == ""
    whole = path.read_bytes()
    with open_image(path) as opened:
        layers = [opened.members[item.name] for item in opened.images[0].layers]
    inside = {at for member in layers for at in range(member.offset, member.offset + member.size)}
    chance = random.Random(1)
    places = [at for at in range(len(whole)) if at not in inside] + chance.sample(sorted(inside), 200)
    copy = tmp_path / "copy.tar"
    copy.write_bytes(whole)
    unnoticed = []
    with open(copy, "r+b", buffering=0) as out:
        for at in places:
            out.seek(at)
            out.write(bytes([whole[at] ^ (1 << chance.randrange(8))]))
            if judge(copy) == "":
                unnoticed.append(at)
            out.seek(at)
            out.write(whole[at : at + 1])
    assert unnoticed == []
    for size in (len(whole) - 1, len(whole) // 2, 0):
        copy.write_bytes(whole[:size])
        assert judge(copy) != ""
    copy.write_bytes(whole + b"\0")
    assert judge(copy) != ""
