"""Roots are unpacked as the layers mean it; hostile ones are in test_extract.py."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from images import Made, archive, file, folder, link
from support import snapshot

from freezer.base.oci.archive import open_image
from freezer.base.oci.rootfs import unpack_root


def unpack(top: Path, *layers: list[Any]) -> Path:
    path = Made(*(archive(*entries) for entries in layers)).write(top / "image.tar")
    root = top / "place" / "root"
    root.parent.mkdir(exist_ok=True)
    with open_image(path) as opened:
        unpack_root(opened, opened.images[0], root)
    return root


def test_layers_in_order(tmp_path: Path) -> None:
    first = [file("a/one"), file("a/two"), file("b/one"), file("c"), link("l", "a"), folder("d"), file("d/x")]
    second = [
        file("a/.wh.one", b""),
        file("b/new", b"new"),
        file("b/.wh..wh..opq", b""),
        file("l", b"no link any more"),
        file("d", b"no directory any more"),
        link("h", "c", tarfile.LNKTYPE),
        file("su", mode=0o4755),
        ("fifo", {"type": tarfile.FIFOTYPE}),
    ]
    root = unpack(tmp_path, first, second)
    assert snapshot(root).keys() == {"a", "a/two", "b", "b/new", "c", "d", "dev", "h", "l", "proc", "su"}
    assert (root / "l").read_bytes() == b"no link any more"
    assert (root / "h").stat().st_ino == (root / "c").stat().st_ino
    assert (root / "su").stat().st_mode & 0o7777 == 0o755
