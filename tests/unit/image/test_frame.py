"""The archive around an image."""

from __future__ import annotations

import io
import tarfile

from freezer.base import tar
from freezer.image.frame import frame

SIZES = {"index.json": 3, "blobs/sha256/b": 600, "oci-layout": 0, "blobs/sha256/a": 1}


def test_order_and_headers() -> None:
    data = b"".join(head + bytes(SIZES.get(name, 0)) + tar.padding(SIZES.get(name, 0)) for name, head in frame(SIZES))
    with tarfile.open(fileobj=io.BytesIO(data + tar.END)) as opened:
        found = [(item.name, item.isdir(), item.size, item.mode, item.uid, item.uname) for item in opened]
    assert found == [
        ("blobs", True, 0, 0o755, 0, ""),
        ("blobs/sha256", True, 0, 0o755, 0, ""),
        ("blobs/sha256/a", False, 1, 0o644, 0, ""),
        ("blobs/sha256/b", False, 600, 0o644, 0, ""),
        ("index.json", False, 3, 0o644, 0, ""),
        ("oci-layout", False, 0, 0o644, 0, ""),
    ]


def test_a_large_blob_has_two_headers() -> None:
    heads = dict(frame({"blobs/sha256/a": 8 << 30}))
    assert len(heads["blobs/sha256/a"]) == 3 * tar.BLOCK
