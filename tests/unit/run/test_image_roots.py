"""Roots of images: from files, pipes and directories, kept by what is in them. Hostile layers are refused."""

from __future__ import annotations

import dataclasses
import gzip
import lzma
import os
import platform
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from images import Entry, Made, archive, file, folder, link, pack
from support import snapshot

from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.oci.machine import HOSTS
from freezer.run import image_roots as module
from freezer.run.image_roots import root_of

LAYERS = [
    [folder("etc"), file("etc/one"), file("gone"), link("bin", "usr/bin"), folder("d"), file("d/x")],
    [file(".wh.gone", b""), file("etc/two", mode=0o4755), link("hard", "etc/one", tarfile.LNKTYPE)],
    [file("d/.wh..wh..opq", b""), file("d/y")],
]
CONTENT = {"etc", "etc/one", "etc/two", "bin", "hard", "d", "d/y", "dev", "proc"}


def made(*layers: list[Entry]) -> Made:
    image = Made(*(archive(*entries) for entries in layers or LAYERS))
    image.config["architecture"] = HOSTS[platform.machine()].architecture
    return image


def laid_out(path: Path) -> Path:
    for name, data in made().contents().items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def docker_archive(path: Path) -> Path:
    """As docker save has it, with names of its own."""
    contents = made().contents()
    return pack(path, {name: data for name, data in contents.items() if name not in ("index.json", "oci-layout")})


def compressed(compress: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        path.write_bytes(compress(made().write(path).read_bytes()))
        return path

    return make


FORMS: dict[str, Callable[[Path], Path]] = {
    "tar": lambda path: made().write(path),
    "layout": laid_out,
    "docker": docker_archive,
    "gzip": compressed(gzip.compress),
    "xz": compressed(lzma.compress),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("writable", [False, True])
def test_forms(tmp_path: Path, job: Job, form: str, writable: bool) -> None:
    FORMS[form](tmp_path / "image")
    root = root_of("image", tmp_path, job, writable=writable)
    assert snapshot(root.path).keys() == CONTENT
    assert (root.path / "etc/two").stat().st_mode & 0o7777 == 0o755
    assert root.config["config"]["User"] == "1000"
    assert ((job.work if writable else job.cache / "images") in root.path.parents) is True


def test_equal_images_are_unpacked_once(tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for form, make in FORMS.items():
        make(tmp_path / form)
    first = root_of("tar", tmp_path, job, writable=False)
    monkeypatch.setattr(module, "unpack_root", pytest.fail)
    assert {root_of(form, tmp_path, job, writable=False).path for form in FORMS} == {first.path}


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_pipe(tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]) -> None:
    content = compress(made().write(tmp_path / "image").read_bytes())
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        with open(writing, "wb") as pipe:
            pipe.write(content)
        os._exit(0)
    os.close(writing)
    before = os.dup(0)
    try:
        os.dup2(reading, 0)
        root = root_of("-", tmp_path, job, writable=False)
    finally:
        os.dup2(before, 0)
        for descriptor in (before, reading):
            os.close(descriptor)
    assert snapshot(root.path).keys() == CONTENT
    assert not any(path.is_file() for path in job.work.iterdir())


OUT = "../" * 20 + "tmp/freezer-never"
HOSTILE: dict[str, list[list[Entry]]] = {
    "a name that leads up": [[file("../up")]],
    "an absolute name": [[file("/abs")]],
    "a file through a link": [[link("l", "/"), file("l/x")]],
    "a file through a relative link": [[link("l", "../.."), file("l/x")]],
    "a file through a link of a layer below": [[link("l", "/")], [file("l/x")]],
    "a file through a chain": [[link("a", "b"), link("b", "/")], [file("a/x")]],
    "a directory through a link": [[link("l", "/tmp")], [folder("l/x")]],
    "a hard link out": [[link("h", "../../etc/passwd", tarfile.LNKTYPE)]],
    "an absolute hard link": [[link("h", "/etc/passwd", tarfile.LNKTYPE)]],
    "a hard link through a link": [[link("l", "/etc"), link("h", "l/passwd", tarfile.LNKTYPE)]],
    "a whiteout through a link": [[link("l", "/")], [file("l/.wh.etc", b"")]],
    "a whiteout that leads up": [[folder("d")], [file("d/../../.wh.etc", b"")]],
    "an opaque link": [[link("l", "/")], [file("l/.wh..wh..opq", b"")]],
    "a link in the top's place": [[link(".", "/")]],
    "a null byte": [[link("l", "a\0b")], [file("l/x")]],
}
HARMLESS: dict[str, list[list[Entry]]] = {
    "a device": [[("d", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 1, "mode": 0o666}), file("x")]],
    "a block device": [[("d", {"type": tarfile.BLKTYPE, "devmajor": 8, "devminor": 0, "mode": 0o666}), file("x")]],
    "a pipe": [[("d", {"type": tarfile.FIFOTYPE, "mode": 0o666}), file("x")]],
    "a hard link to a device": [
        [("d", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 1}), link("e", "d", tarfile.LNKTYPE), file("x")]
    ],
    "links in the places of mounts": [[link("proc", "/"), link("dev", "/"), file("x")]],
    "a file in the place of a link": [[link("x", "/etc/passwd")], [file("x")]],
    "links out": [[link("l", OUT), link("m", "/etc/shadow"), file("x")]],
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("writable", [False, True])
def test_hostile_layers_are_refused(tmp_path: Path, job: Job, name: str, writable: bool) -> None:
    made(*HOSTILE[name]).write(tmp_path / "image")
    before = snapshot(tmp_path / "image") if (tmp_path / "image").is_dir() else (tmp_path / "image").read_bytes()
    with pytest.raises(InputError, match="is not an image, or is damaged"):
        root_of("image", tmp_path, job, writable=writable)
    assert list((job.cache / "images").glob("*/")) == []
    assert (tmp_path / "image").read_bytes() == before


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_no_harm(tmp_path: Path, job: Job, name: str) -> None:
    """There are no devices, and nothing but a link leads anywhere."""
    made(*HARMLESS[name]).write(tmp_path / "image")
    root = root_of("image", tmp_path, job, writable=False).path
    assert (root / "x").read_bytes() == b"x"
    kinds = {path.name for path in root.rglob("*") if not (path.is_symlink() or path.is_file() or path.is_dir())}
    assert kinds == set()
    assert not (root / "proc").is_symlink() and not (root / "dev").is_symlink()


def test_a_changed_layer(tmp_path: Path, job: Job) -> None:
    image = made()
    image.config["rootfs"]["diff_ids"][1] = image.config["rootfs"]["diff_ids"][0]
    image.write(tmp_path / "image")
    with pytest.raises(InputError) as caught:
        root_of("image", tmp_path, job, writable=False)
    assert "has the digest" in str(caught.value.why)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "ends too early"),
        (b"no image" * 100, "header"),
        (archive(file("etc/passwd")), "it has no image"),
        (gzip.compress(b"", mtime=0)[:-3], "ends too early"),
        (gzip.compress(archive(file("x")), mtime=0), "it has no image"),
        (b"BZh91AY&SY", "compressed with bzip2"),
    ],
)
def test_what_is_no_image(tmp_path: Path, job: Job, content: bytes, why: str) -> None:
    (tmp_path / "image").write_bytes(content)
    with pytest.raises(InputError) as caught:
        root_of("image", tmp_path, job, writable=False)
    assert why in str(caught.value.why)


@pytest.mark.parametrize("name", ["no-such", "folder"])
def test_what_is_not_there(tmp_path: Path, job: Job, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError):
        root_of(name, tmp_path, job, writable=False)


def test_only_some_are_kept(tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    for number in range(4):
        made([file(f"file{number}")]).write(tmp_path / "image")
        with ExitStack() as holding:
            root = root_of("image", tmp_path, dataclasses.replace(job, holding=holding), writable=False).path
            os.utime(root.parent, (number, number))
    assert len(list((job.cache / "images").glob("*/origin.json"))) == 2
    assert (root / "file3").exists()
