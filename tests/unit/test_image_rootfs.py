"""Roots are unpacked as the layers mean it, and nothing outside changes, whatever they say."""

from __future__ import annotations

import contextlib
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from images import Made, archive, file, folder, link
from support import snapshot

from freezer.errors import InputError
from freezer.image.archive import open_image
from freezer.image.rootfs import unpack_root


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


OUTSIDE = "../../sentinel"
HOSTILE: dict[str, list[list[Any]]] = {
    "parent": [[file("../sentinel")]],
    "parent inside": [[file("a/../../sentinel")]],
    "absolute": [[file("/tmp/freezer-test-escape")]],
    "absolute link": [[link("l", "/"), file("l/tmp/freezer-test-escape")]],
    "link out": [[link("l", "../.."), file("l/sentinel")]],
    "chained links": [[link("a", "."), link("b", "a/../.."), file("b/sentinel")]],
    "link in a lower layer": [[link("l", "../..")], [file("l/sentinel")]],
    "directory over a link": [[link("l", "../..")], [folder("l"), file("l/sentinel")]],
    "deep link": [[folder("d"), link("d/l", "../../.."), file("d/l/sentinel")]],
    "link named dot": [[link(".", "../..")], [file("sentinel")]],
    "file over a link": [[link("l", OUTSIDE)], [file("l", b"changed")]],
    "file over a link in the same layer": [[link("l", OUTSIDE), file("l", b"changed")]],
    "hard link out": [[link("h", OUTSIDE, tarfile.LNKTYPE)]],
    "hard link to an absolute path": [[link("h", "/etc/passwd", tarfile.LNKTYPE)]],
    "hard link through a link": [[link("l", "../.."), link("h", "l/sentinel", tarfile.LNKTYPE), file("h", b"changed")]],
    "hard link to a link": [[link("l", OUTSIDE), link("h", "l", tarfile.LNKTYPE)], [file("h", b"changed")]],
    "hard link to itself": [[link("h", "h", tarfile.LNKTYPE)]],
    "whiteout through a link": [[link("l", "../..")], [file("l/.wh.sentinel", b"")]],
    "whiteout of a link": [[link("l", "../..")], [file(".wh.l", b"")]],
    "whiteout of the parent": [[file("x")], [file(".wh...", b"")]],
    "whiteout of nothing": [[file("x")], [file(".wh.", b"")]],
    "opaque through a link": [[link("l", "../..")], [file("l/.wh..wh..opq", b"")]],
    "below a file": [[file("a"), file("a/b")]],
    "device": [[("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})]],
    "proc is a link": [[link("proc", "../..")]],
    "dev is a link": [[link("dev", "../..")]],
    "NUL": [[file("a\0b")]],
    "owner": [[file("a", uid=1 << 31)]],
    "deep": [[file("d/" * 200 + "x")]],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(tmp_path: Path, name: str) -> None:
    (tmp_path / "sentinel").write_text("untouched")
    (tmp_path / "other").mkdir()
    with contextlib.suppress(InputError):
        root = unpack(tmp_path, *HOSTILE[name])
        assert not (root / "proc").is_symlink()
        assert not (root / "null").exists()
    assert (tmp_path / "sentinel").read_text() == "untouched"
    assert sorted(os.listdir(tmp_path)) == ["image.tar", "other", "place", "sentinel"]
    assert os.listdir(tmp_path / "place") == ["root"]
    assert not Path("/tmp/freezer-test-escape").exists()


NAMES = st.sampled_from(
    ["a", "b", "a/b", "b/a", "a/b/a", ".", "..", "a/..", "/a", "./b", ".wh.a", "a/.wh.b", ".wh..wh..opq"]
)
KINDS = st.sampled_from(["file", "folder", "link", "hard link"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.lists(st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=5), min_size=1, max_size=3))
def test_no_mixture_gets_out(
    tmp_path_factory: pytest.TempPathFactory, layers: list[list[tuple[str, str, str]]]
) -> None:
    top = tmp_path_factory.mktemp("mixture")
    (top / "a").write_text("untouched")
    (top / "b").mkdir()
    made = [
        [
            file(name)
            if kind == "file"
            else folder(name)
            if kind == "folder"
            else link(name, target, tarfile.SYMTYPE if kind == "link" else tarfile.LNKTYPE)
            for name, kind, target in entries
        ]
        for entries in layers
    ]
    with contextlib.suppress(InputError):
        unpack(top, *made)
    assert (top / "a").read_text() == "untouched"
    assert sorted(os.listdir(top)) == ["a", "b", "image.tar", "place"]
    assert os.listdir(top / "b") == []
