"""Images are judged: good ones pass, and every broken rule is named."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from images import Made, archive, blob, digest, file, folder, link, pack
from judging import GOOD, judge, listed

from freezer.base.oci.archive import open_image


def test_good(tmp_path: Path) -> None:
    path = Made(GOOD, archive(file("etc/x"))).write(tmp_path / "image.tar")
    assert judge(path) == ""
    with open_image(path) as opened:
        (image,) = opened.images
        assert image.names == ("docker.io/library/a:1",)
        assert [blob.size for blob in image.layers] == [len(GOOD), 10240]


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
    "writable file": (layer(file("w", mode=0o666)), "/w is writable by everybody"),
    "writable directory": (layer(folder("w", 0o1777)), "/w is writable"),
    "device": (layer(("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})), "/null is a device"),
    "parent": (layer(file("../x")), "leads out of the root"),
    "absolute": (layer(file("/x")), "leads out of the root"),
    "parent inside": (layer(file("a/../../x")), "leads out of the root"),
    "twice": (layer(file("x"), file("x")), "has 'x' twice"),
    "twice by another name": (layer(file("x"), file("./x")), "has 'x' twice"),
    "through a link": (layer(link("l", "/etc"), file("l/x")), "below 'l', which is not a directory"),
    "through a lower layer's file": (layer(file("run/x")), "below 'run', which is not a directory"),
    "hard link out": (layer(link("h", "../x", tarfile.LNKTYPE)), "hard link"),
    "hard link to nothing": (layer(link("h", "gone", tarfile.LNKTYPE)), "hard link"),
    "layout version": (with_part("layout", imageLayoutVersion="2.0.0"), "imageLayoutVersion"),
    "index version": (with_part("index", schemaVersion=1), "index.json does not have schemaVersion 2"),
    "manifest type": (with_part("manifest", mediaType="text/plain"), "is of the type 'text/plain'"),
    "no architecture": (with_part("config", architecture=""), "no architecture"),
    "rootfs type": (lambda: rootfs_type(Made(GOOD)), "not of the type layers"),
    "diff ID": (lambda: wrong_digest(Made(GOOD)), "the configuration says"),
    "tag": (listed(RepoTags=["Bad:"]), "is not a valid image name"),
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
    assert "accept only" not in judge(made.write(tmp_path / "image.tar"))  # one image, of two names


def test_several_images(tmp_path: Path) -> None:
    contents = Made(GOOD).contents()
    other = Made(GOOD)
    other.config["created"] = "2024-01-01T00:00:00Z"
    contents |= {name: data for name, data in other.contents().items() if name.startswith("blobs/")}
    index = json.loads(contents["index.json"])
    index["manifests"] += other.index["manifests"]
    contents["index.json"] = json.dumps(index).encode()
    assert "has 2 images; skopeo and buildah accept only files with one" in judge(pack(tmp_path / "a.tar", contents))


def test_variants(tmp_path: Path) -> None:
    for architecture, variant, wrong in (("amd64", "v3", False), ("amd64", "v8", True), ("s390x", "z", False)):
        made = Made(GOOD)
        made.config.update(architecture=architecture, variant=variant)
        assert (f"has no variant '{variant}'" in judge(made.write(tmp_path / "image.tar"))) == wrong


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
