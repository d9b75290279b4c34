"""Roots come out of archives as they went in; which image is taken; and what is refused. See test_extract.py, too."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import platform
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest
import zstandard
from images import Made, archive, blob, digest, file, folder, link, pack
from support import need_program, snapshot

from freezer.base import tar
from freezer.base.errors import InputError
from freezer.base.oci import archive as images
from freezer.base.oci.archive import open_image
from freezer.base.oci.machine import HOSTS
from freezer.image.check import validate
from freezer.system.chroot import archives as module
from freezer.system.chroot.archives import identify, is_archive_or_layout, unpack

PACK: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "zstd": zstandard.ZstdCompressor().compress,
}


def root_of(path: Path, top: Path) -> Path:
    unpack(path, top / "root", digest=identify(path))
    return top / "root"


def refusal(path: Path, top: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        root_of(path, top)
    assert str(path) in caught.value.what
    return caught.value


def laid_out(made: Made, place: Path) -> Path:
    for name, content in made.contents().items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A root with one of everything."""
    top = tmp_path / "source"
    for name in ("usr/bin", "etc", "tmp", "empty", "dev", "proc"):
        (top / name).mkdir(parents=True)
    top.chmod(0o700)  # as mktemp makes them
    (top / "tmp").chmod(0o1777)
    (top / "usr/bin/python3").write_bytes(os.urandom(1_500_000))
    (top / "usr/bin/python3").chmod(0o4755)
    (top / "etc/name with ümlaut").write_text("text")
    (top / "etc/secret").write_text("secret")
    (top / "etc/secret").chmod(0o600)
    os.utime(top / "etc/secret", (1_000_000_000, 1_000_000_000))
    os.link(top / "etc/secret", top / "usr/hard")
    (top / "bin").symlink_to("usr/bin")
    (top / "etc/mtab").symlink_to("/proc/mounts")
    os.mkfifo(top / "tmp/pipe")
    return top


@pytest.mark.parametrize("compression", PACK)
@pytest.mark.parametrize("form", ["gnu", "pax", "ustar"])
def test_root_tars(tmp_path: Path, source: Path, compression: str, form: str) -> None:
    if os.geteuid() == 0:
        os.chown(source / "etc/secret", 12, 34)
        os.chown(source / "bin", 12, 34, follow_symlinks=False)
    data = subprocess.run(
        [need_program("tar"), f"--format={form}", "-C", source, "-c", "."], check=True, stdout=subprocess.PIPE
    ).stdout
    path = tmp_path / "root.tar"
    path.write_bytes(PACK[compression](data))
    assert is_archive_or_layout(path)
    assert identify(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    root = root_of(path, tmp_path)
    expected = snapshot(source)
    del expected["tmp/pipe"]
    assert snapshot(root) == expected
    modes = {name: (root / name).stat().st_mode & 0o7777 for name in (".", "tmp", "usr/bin/python3", "etc/secret")}
    assert modes == {".": 0o755, "tmp": 0o1777, "usr/bin/python3": 0o755, "etc/secret": 0o600}
    secret = (root / "etc/secret").stat()
    assert (secret.st_mtime, secret.st_nlink) == (1_000_000_000, 2)
    if os.geteuid() == 0:
        assert (secret.st_uid, secret.st_gid, (root / "bin").lstat().st_uid) == (12, 34, 12)


LAYERS = (
    archive(folder("usr"), file("usr/a"), file("usr/b"), file("d/x"), link("bin", "usr")),
    archive(file("usr/.wh.a", b""), file("usr/c", b"new"), file("d/.wh..wh..opq", b""), file("d/y")),
)
MERGED = {"usr", "usr/b", "usr/c", "bin", "d", "d/y", "dev", "proc"}


def test_images(tmp_path: Path) -> None:
    both = Made(*LAYERS).write(tmp_path / "both.tar")
    assert identify(both) == hashlib.sha256(both.read_bytes()).hexdigest()
    contents = Made(*LAYERS).contents()
    config = next(data for data in contents.values() if b"diff_ids" in data)
    places = {"1/layer.tar": LAYERS[0], "2/layer.tar": LAYERS[1]}
    name = digest(config)[7:] + ".json"
    listed = json.dumps([{"Config": name, "Layers": list(places), "RepoTags": None}]).encode()
    docker = pack(tmp_path / "docker.tar", {name: config, **places, "manifest.json": listed})
    for number, path in enumerate((both, docker)):
        (tmp_path / str(number)).mkdir()
        assert snapshot(root_of(path, tmp_path / str(number))).keys() == MERGED
    wrong = pack(tmp_path / "wrong.tar", {name: config + b" ", **places, "manifest.json": listed})
    assert "does not have the digest" in str(refusal(wrong, tmp_path).why)


@pytest.mark.parametrize("compression", ["plain", "gzip", "zstd"])
def test_layouts(tmp_path: Path, compression: str) -> None:
    made = Made(*LAYERS)
    made.layers = [PACK[compression](layer) for layer in LAYERS]
    made.manifest["layers"] = [
        made.descriptor(layer, "application/vnd.oci.image.layer.v1.tar") for layer in made.layers
    ]
    path = laid_out(made, tmp_path / "layout")
    (path / "manifest.json").unlink()
    assert is_archive_or_layout(path)
    assert identify(path) == made.index["manifests"][0]["digest"][7:]
    assert snapshot(root_of(path, tmp_path)).keys() == MERGED
    assert not is_archive_or_layout(tmp_path)


def test_layouts_can_be_judged(tmp_path: Path) -> None:
    made = Made(archive(file("run", mode=0o755)))
    with open_image(laid_out(made, tmp_path / "layout")) as opened:
        assert validate(opened).problems == ()
    (tmp_path / "layout" / blob(made.layers[0])).write_bytes(b"x")
    with open_image(tmp_path / "layout") as opened, pytest.raises(InputError, match="is not an image"):
        validate(opened)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is not an image"), open_image(tmp_path / "empty"):
        pass


def several(*platforms: Optional[str], stated: bool = True, gone: tuple[str, ...] = ()) -> Made:
    """An image for several platforms, each with a file of that name; of some of them nothing is there."""
    whole = Made()
    whole.index["manifests"] = []
    for text in platforms:
        made = Made(archive(file(str(text).replace("/", "-"))))
        fields: dict[str, Any] = dict(zip(("architecture", "variant"), (text or "").split("/")))
        made.config.update(fields)
        made.contents()
        item = made.index["manifests"][0]
        if stated:
            item["platform"] = {"os": "linux", **fields}
        whole.index["manifests"].append(item)
        if text not in gone:
            whole.layers += [data for name, data in made.contents().items() if name.startswith("blobs/")]
    whole.index["manifests"].append(whole.index["manifests"][0])  # by a second name
    whole.config, whole.listed = {}, []
    return whole


@pytest.mark.parametrize(
    ("machine", "platforms", "chosen"),
    [
        ("x86_64", ("arm64/v8", "amd64"), "amd64"),
        ("aarch64", ("arm64/v8", "amd64"), "arm64-v8"),
        ("aarch64", ("arm64", "amd64"), "arm64"),
        ("armv7l", ("arm/v6", "arm/v7", "arm64"), "arm-v7"),
        ("s390x", ("amd64", "s390x"), "s390x"),
    ],
)
@pytest.mark.parametrize("stated", [True, False])
def test_the_host_s_image_is_taken(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    platforms: tuple[str, ...],
    chosen: str,
    stated: bool,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    whole = several(*platforms, stated=stated)
    for number, path in enumerate((whole.write(tmp_path / "image.tar"), laid_out(whole, tmp_path / "layout"))):
        (tmp_path / str(number)).mkdir()
        assert snapshot(root_of(path, tmp_path / str(number))).keys() == {chosen, "dev", "proc"}


def test_other_platforms_need_not_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docker and skopeo save one of an index's images alone."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    path = several("arm64/v8", "amd64", "unknown", gone=("arm64/v8", "unknown")).write(tmp_path / "image.tar")
    assert (root_of(path, tmp_path) / "amd64").exists()


def test_no_image_for_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    whole = several("arm64/v8", "amd64")
    path = laid_out(whole, tmp_path / "layout")
    assert identify(path) == hashlib.sha256((path / "index.json").read_bytes()).hexdigest()
    for place in (path, whole.write(tmp_path / "image.tar")):
        error = refusal(place, tmp_path)
        assert "linux/riscv64" in error.what
        assert str(error.why) == "it has images for linux/amd64, linux/arm64/v8"


def test_several_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    made, other = Made(LAYERS[0]), Made(LAYERS[1])
    made.contents()
    other.contents()
    for item, name in ((made, "a:1"), (other, "b:1")):
        item.index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": name}
    made.index["manifests"] += other.index["manifests"]
    contents = {**other.contents(), **made.contents()}
    del contents["manifest.json"]
    error = refusal(pack(tmp_path / "image.tar", contents), tmp_path)
    assert "2 images" in error.what and error.why == "a:1, b:1"


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_images_compressed_as_a_whole(tmp_path: Path, compression: str) -> None:
    path = Made(*LAYERS).write(tmp_path / "image.tar")
    path.write_bytes(PACK[compression](path.read_bytes()))
    error = refusal(path, tmp_path)
    assert "compressed as a whole" in error.what
    assert f"{compression} -d" in str(error.hint)


def test_compressions_that_are_not_for_roots(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(bz2.compress(archive(file("etc/x"))))
    assert "bzip2" in refusal(tmp_path / "root.tar", tmp_path).what
    made = Made(LAYERS[0])
    made.layers = [lzma.compress(LAYERS[0])]
    made.manifest["layers"] = [made.descriptor(made.layers[0], "application/vnd.oci.image.layer.v1.tar")]
    assert "compression that layers do not support" in str(refusal(made.write(tmp_path / "image.tar"), tmp_path).why)


@pytest.mark.parametrize("compression", PACK)
def test_a_root_may_have_files_that_are_called_as_an_image_s(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(PACK[compression](archive(folder("."), folder("./bin"), file("./manifest.json", b"{}"))))
    assert snapshot(root_of(path, tmp_path)).keys() == {"bin", "manifest.json", "dev", "proc"}


@pytest.mark.parametrize("compression", PACK)
@pytest.mark.parametrize("damage", ["short", "garbage", "flipped", "bomb"])
def test_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str, damage: str) -> None:
    data = archive(file("etc/a", os.urandom(50_000)), file("etc/b", bytes(50_000)))
    packed = PACK[compression](data)
    if damage == "short":
        packed = packed[: len(packed) - (20 if compression != "plain" else 12_000)]
    elif damage == "garbage":
        packed += b"garbage"
    elif damage == "flipped":
        packed = packed[:200] + bytes([packed[200] ^ 1]) + packed[201:]
        if compression == "zstd":  # which has no checksum unless it is asked for one
            packed = packed[:4] + b"\xff" * 20 + packed[24:]
    else:
        monkeypatch.setattr(module, "MAX_UNPACKED", 90_000)
        monkeypatch.setattr(module, "LIMITS", tar.Limits(total=90_000))
    (tmp_path / "root.tar").write_bytes(packed)
    assert "not a root file system, or is damaged" in refusal(tmp_path / "root.tar", tmp_path).what


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_layers_that_are_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str) -> None:
    monkeypatch.setattr(images, "MAX_LAYER", 1_000_000)
    layer = archive(file("etc/a"), file("bomb", bytes(2_000_000)))
    made = Made(layer)
    made.layers = [PACK[compression](layer)]
    made.manifest["layers"] = [made.descriptor(made.layers[0], "application/vnd.oci.image.layer.v1.tar")]
    assert "more than 1000000 bytes" in str(refusal(made.write(tmp_path / "image.tar"), tmp_path).why)
    assert not (tmp_path / "root/etc").exists()


def test_what_cannot_be_read(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert not is_archive_or_layout(gone)
    with pytest.raises(InputError, match="cannot be read"):
        identify(gone)
    with pytest.raises(InputError, match="cannot be read"):
        unpack(gone, tmp_path / "root", digest="")
    (tmp_path / "empty").touch()
    assert "ends too early" in str(refusal(tmp_path / "empty", tmp_path).why)


def test_this_machine_is_known() -> None:
    assert platform.machine() in HOSTS


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(archive(file("etc/\udcff"), link("etc/l", "\udcfe"), form=tarfile.GNU_FORMAT))
    root = root_of(path, tmp_path)
    assert sorted(os.listdir(os.fsencode(root / "etc"))) == [b"l", b"\xff"]
    assert os.readlink(os.fsencode(root / "etc/l")) == b"\xfe"
