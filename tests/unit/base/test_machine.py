"""Which image of a file is for this machine; that its files are unpacked then is in system/test_archives.py."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from images import Made, archive, file

from freezer.base.errors import InputError
from freezer.base.oci.archive import ImageArchive
from freezer.base.oci.files import TarFiles
from freezer.base.oci.machine import HOSTS, image_for_host


def joined(*made: Made) -> Made:
    """One image file of the images in several."""
    whole = Made()
    whole.index["manifests"] = []
    for item in made:
        whole.layers += [data for name, data in item.contents().items() if name.startswith("blobs/")]
        whole.index["manifests"] += item.index["manifests"]
    whole.listed = []
    return whole


def image_of(architecture: str, variant: str = "") -> Made:
    made = Made(archive(file(f"{architecture}{variant}")))
    made.config.update(architecture=architecture, **({"variant": variant} if variant else {}))
    return made


def chosen(made: Made, folder: Path) -> str:
    path = made.write(folder / "image.tar")
    with open(path, "rb") as opened:
        image = image_for_host(ImageArchive(path, TarFiles(path, opened)))
        return f"{image.config['architecture']}{image.config.get('variant', '')}"


@pytest.mark.parametrize(
    ("machine", "wanted"), [("x86_64", "amd64"), ("aarch64", "arm64v8"), ("armv7l", "armv7"), ("armv6l", "armv6")]
)
def test_one_of_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, wanted: str) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    images = (image_of("arm64", "v8"), image_of("amd64"), image_of("arm", "v6"), image_of("arm", "v7"))
    assert chosen(joined(*images), tmp_path) == wanted


def test_none_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(InputError, match="no image for linux/riscv64") as caught:
        chosen(joined(image_of("arm64", "v8"), image_of("amd64")), tmp_path)
    assert caught.value.why == "it has images for linux/amd64, linux/arm64/v8"


def test_two_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    first, second = image_of("amd64"), Made(archive(file("other")))
    second.config["created"] = "2020-01-01T00:00:00Z"
    with pytest.raises(InputError, match="has 2 images for linux/amd64"):
        chosen(joined(first, second), tmp_path)


def test_this_machine_is_known() -> None:
    assert platform.machine() in HOSTS
