"""Whatever an archive says, nothing outside changes; each goes in as a root's tar, in an image, and in a layout."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import Entry, Made, archive, file, folder, link
from support import snapshot

from freezer.base import tar
from freezer.base.errors import InputError
from freezer.system.chroot import archives as module
from freezer.system.chroot.archives import identify, unpack

HARD = tarfile.LNKTYPE
TOP = "@"
"""Stands for the directory that the root is made in. No absolute path leads anywhere else: a test that fails must not
do to this machine what it is about."""
WAYS = ["tar", "image", "layout"]
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
"""Where the thousands of small files of these tests are made, if there is such a place: on a disk that takes as long as
all the rest."""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        yield Path(folder)


def surroundings(top: Path) -> dict[str, tuple[object, ...]]:
    """All that is to know of what is beside the root."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (top, *sorted(top.rglob("*"))):
        name = str(path.relative_to(top))
        if name.startswith("place/root"):
            continue
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        # The directory that the root is made in changes by that.
        time = status.st_mtime_ns if name != "place" else 0
        facts = (status.st_mode, status.st_uid, status.st_gid, status.st_ino, content, time)
        found[name] = (*facts, 0 if path.is_dir() else status.st_nlink)
    return found


def furnish(top: Path) -> Path:
    """A place for the root with files around it; returns where the root shall be."""
    (top / "other" / "deep").mkdir(parents=True)
    (top / "place").mkdir()
    for name in ("sentinel", "other/sentinel", "other/deep/sentinel", "place/sentinel", "a", "b"):
        (top / name).write_text("untouched")
        (top / name).chmod(0o640)
        os.utime(top / name, (1, 1))
    (top / "other/link").symlink_to("sentinel")
    return top / "place" / "root"


def pack(way: str, folder: Path, layers: list[bytes]) -> Path:
    """An archive of that content; as a root's tar, of the one layer there is."""
    folder.mkdir(exist_ok=True)
    if way == "tar":
        (data,) = layers
        (folder / "root.tar").write_bytes(data)
        return folder / "root.tar"
    made = Made(*layers)
    if way == "image":
        return made.write(folder / "image.tar")
    for name, content in made.contents().items():
        place = folder / "layout" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder / "layout"


def attempt(way: str, top: Path, layers: list[list[Entry]] | bytes) -> Optional[InputError]:
    """Unpack, and return the refusal; nothing outside may have changed."""
    root = furnish(top / "top")
    if isinstance(layers, bytes):
        packed = [layers]
    else:
        placed = [[_placed(entry, str(top / "top")) for entry in layer] for layer in layers]
        joined = [[entry for layer in placed for entry in layer]]
        packed = [archive(*layer) for layer in (joined if way == "tar" else placed)]
    path = pack(way, top / "packed", packed)
    before = surroundings(top / "top")
    refusal = None
    try:
        unpack(path, root, digest=identify(path))
    except InputError as error:
        assert str(path) in error.what
        refusal = error
    assert surroundings(top / "top") == before
    assert os.listdir(top / "top" / "place") == ["root", "sentinel"] or not root.exists()
    for place in root.rglob("*"):
        status = place.lstat()
        assert not status.st_mode & 0o6000
        assert place.is_symlink() or place.is_dir() or place.is_file()
        assert place.is_symlink() or not place.is_dir() or status.st_mode & 0o700 == 0o700
    return refusal


def _placed(entry: Entry, top: str) -> Entry:
    name, fields = entry
    if "path" in fields.get("pax_headers", {}):
        fields = {**fields, "pax_headers": {"path": fields["pax_headers"]["path"].replace(TOP, top)}}
    if "linkname" in fields:
        fields = {**fields, "linkname": fields["linkname"].replace(TOP, top)}
    return name.replace(TOP, top), fields


def raw(**changes: tuple[int, bytes]) -> bytes:
    """An archive of one file whose header is changed at some places, with its checksum set right."""
    data = archive(file("f", b"abc"), form=tarfile.USTAR_FORMAT)
    block = data[:512]
    for at, new in changes.values():
        block = block[:at] + new + block[at + len(new) :]
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:] + data[512:]


def typed(kind: bytes, name: str = "etc/x") -> list[list[Entry]]:
    return [[(name, {"type": kind, "devmajor": 1, "devminor": 3, "mode": 0o666})]]


OUT = "../../sentinel"
GOOD = archive(file("f", b"abc"))
REFUSED: dict[str, list[list[Entry]] | bytes] = {
    "parent": [[file("../sentinel")]],
    "parent, two up": [[file("../../sentinel")]],
    "parent inside": [[file("a/../../../sentinel")]],
    "parent that stays": [[file("a/../b")]],
    "parent behind a dot": [[file("./../sentinel")]],
    "parent at the end": [[folder("a/..")]],
    "parent as a name": [[folder("..")]],
    "parent as a link": [[link("..", "x")]],
    "absolute": [[file(f"{TOP}/escape")]],
    "absolute with two slashes": [[file(f"/{TOP}/escape")]],
    "absolute link": [[link("l", TOP), file("l/escape")]],
    "absolute link to a directory": [[link("l", TOP), folder("l/escape")]],
    "link out": [[link("l", "../.."), file("l/sentinel", b"changed")]],
    "link out, link through it": [[link("l", "../.."), link("l/sentinel", "x")]],
    "link out, directory through it": [[link("l", "../.."), folder("l/other", 0o700)]],
    "link out, hard link through it": [[link("l", "../.."), file("f"), link("l/sentinel", "f", HARD)]],
    "link out, device through it": [[link("l", "../.."), ("l/new", {"type": tarfile.FIFOTYPE})]],
    "chained links": [[link("a", "."), link("b", "a/../.."), file("b/sentinel")]],
    "long chain of links": [[*(link(f"l{n}", f"l{n + 1}") for n in range(50)), link("l50", "../.."), file("l0/x")]],
    "link in a lower layer": [[link("l", "../..")], [file("l/sentinel")]],
    "deep link": [[folder("d"), link("d/l", "../../.."), file("d/l/sentinel")]],
    "link inside, file through it": [[folder("d"), link("l", "d"), file("l/x")]],
    "link named dot": [[link(".", "../.."), file("sentinel")]],
    "link named dot and slash": [[link("./", "../.."), file("sentinel")]],
    "file named dot": [[file(".")]],
    "directory replaced by a link": [[folder("d"), file("d/x"), link("d", "../../other"), file("d/sentinel")]],
    "hard link out": [[link("h", OUT, HARD), file("h", b"changed")]],
    "hard link out from below": [[folder("d"), link("d/h", "../../../sentinel", HARD)]],
    "hard link to an absolute path": [[link("h", f"{TOP}/sentinel", HARD), file("h", b"changed")]],
    "hard link through a link": [[link("l", "../.."), link("h", "l/sentinel", HARD), file("h", b"changed")]],
    "hard link through a link inside": [[folder("d"), file("d/f"), link("l", "d"), link("h", "l/f", HARD)]],
    "hard link to a directory": [[folder("d"), link("h", "d", HARD)]],
    "hard link to the root": [[link("h", ".", HARD)]],
    "hard link to itself": [[link("h", "h", HARD)]],
    "hard link in place of what it is in": [[file("d/f"), link("d", "d/f", HARD)]],
    "hard link to nothing": [[link("h", "gone/f", HARD)]],
    "link to nothing": [[link("l", "")]],
    "below a file": [[file("a"), file("a/b")]],
    "NUL": [[file("x", pax_headers={"path": "a\0b"})]],
    "NUL in a target": [[("x", {"type": tarfile.SYMTYPE, "pax_headers": {"linkpath": "a\0b"}})]],
    "long": [[file("n" * 5000)]],
    "long part": [[file("n" * 300)]],
    "deep": [[file("d/" * 200 + "x")]],
    "owner": [[file("a", uid=1 << 31)]],
    "owner in a pax header": [[file("a", pax_headers={"uid": "4294967296"})]],
    "owner below zero": [[file("a", pax_headers={"gid": "-1"})]],
    "size in a pax header": [[file("a", b"x", pax_headers={"size": "600"}), file("b")]],
    "size in a pax header, hiding an entry": [[file("a", b"", pax_headers={"size": "512"}), file("../sentinel")]],
    "size below zero": raw(size=(124, b"\xff" * 12)),
    "size beyond the end": raw(size=(124, b"77777777777\0")),
    "link with content": raw(kind=(156, b"2")),
    "sparse": raw(kind=(156, b"S")),
    "sparse in a pax header": [[file("a", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.name": OUT})]],
    "unknown type": raw(kind=(156, b"Z")),
    "truncated content": GOOD[:513],
    "truncated end": GOOD[:1024],
    "behind the end": GOOD + b"junk",
    "another archive behind the end": GOOD + archive(file("../sentinel")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path: Path, name: str) -> None:
    for way in WAYS:
        assert attempt(way, tmp_path / way, REFUSED[name]) is not None, way


HARMLESS: dict[str, tuple[list[list[Entry]], set[str]]] = {
    "file over a link": ([[link("l", OUT)], [file("l", b"new")]], {"l"}),
    "file over an absolute link": ([[link("l", f"{TOP}/escape"), file("l", b"new")]], {"l"}),
    "file, link and file again": ([[file("l"), link("l", OUT), file("l", b"new")]], {"l"}),
    "directory over a link": ([[link("l", "../..")], [folder("l"), file("l/sentinel")]], {"l", "l/sentinel"}),
    "link over a directory": ([[file("d/e/f"), link("d", OUT)]], {"d"}),
    "directory over a file": ([[file("d"), file("e"), folder("d"), file("d/x")]], {"d", "d/x", "e"}),
    "hard link to a link": ([[link("l", OUT), link("h", "l", HARD), file("h", b"new")]], {"l", "h"}),
    "hard link over a link": ([[file("f"), link("h", OUT), link("h", "./f", HARD)]], {"f", "h"}),
    "write over a hard link": ([[file("f"), link("h", "f", HARD), file("h", b"new")]], {"f", "h"}),
    "hard link to its own": ([[file("f"), link("h", "f", HARD), link("f", "h", HARD)]], {"f", "h"}),
    "device": (typed(tarfile.CHRTYPE, "null"), set()),
    "block device": (typed(tarfile.BLKTYPE, "sda"), set()),
    "pipe": (typed(tarfile.FIFOTYPE, "pipe"), set()),
    "hard link to a device": ([[*typed(tarfile.CHRTYPE, "null")[0], link("zero", "null", HARD)]], set()),
    "setuid": ([[file("su", mode=0o6755), folder("sg", 0o2755)]], {"su", "sg"}),
    "closed directory": ([[folder("d", 0), file("d/x")]], {"d", "d/x"}),
    "proc is a link": ([[link("proc", "../..")]], set()),
    "dev is a link": ([[link("dev", f"{TOP}/other"), link("x", "dev")]], {"x"}),
    "times": ([[file("a", mtime=-5), file("b", mtime=1 << 40)]], {"a", "b"}),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(tmp_path: Path, name: str) -> None:
    layers, expected = HARMLESS[name]
    for way in WAYS:
        refusal = attempt(way, tmp_path / way, layers)
        assert refusal is None, (way, refusal.render())
        root = tmp_path / way / "top/place/root"
        assert snapshot(root).keys() == expected | {"proc", "dev"}, way
        assert not (root / "proc").is_symlink() and not (root / "dev").is_symlink()
        for path in root.iterdir():
            if path.name in ("l", "h") and not path.is_symlink() and path.is_file():
                assert path.read_bytes() in (b"x", b"new")


WHITEOUTS: dict[str, tuple[list[list[Entry]], Optional[set[str]]]] = {
    "through a link": ([[link("l", "../..")], [file("l/.wh.sentinel", b"")]], None),
    "opaque through a link": ([[link("l", "../..")], [file("l/.wh..wh..opq", b"")]], None),
    "opaque through an absolute link": ([[link("l", f"{TOP}/other")], [file("l/.wh..wh..opq", b"")]], None),
    "of the parent": ([[file("x")], [file(".wh...", b"")]], None),
    "of the parent, below": ([[file("d/x")], [file("d/.wh...", b"")]], None),
    "of the directory itself": ([[file("x")], [file(".wh..", b"")]], None),
    "of nothing": ([[file("x")], [file(".wh.", b"")]], None),
    "behind the parent": ([[file("x")], [file("../.wh.sentinel", b"")]], None),
    "absolute": ([[file("x")], [file(f"{TOP}/.wh.sentinel", b"")]], None),
    "below a file": ([[file("x")], [file("x/.wh.y", b"")]], None),
    "of a link": ([[link("l", "../.."), file("x")], [file(".wh.l", b"")]], {"x"}),
    "of a directory with links": ([[link("d/l", "../../.."), file("x")], [file(".wh.d", b"")]], {"x"}),
    "opaque at the top": ([[link("l", "../.."), file("d/x")], [file("y"), file(".wh..wh..opq", b"")]], {"y"}),
}


@pytest.mark.parametrize("way", ["image", "layout"])
@pytest.mark.parametrize("name", WHITEOUTS)
def test_whiteouts(tmp_path: Path, name: str, way: str) -> None:
    layers, expected = WHITEOUTS[name]
    refusal = attempt(way, tmp_path, layers)
    assert (refusal is not None) == (expected is None)
    if expected is not None:
        assert snapshot(tmp_path / "top/place/root").keys() == expected | {"proc", "dev"}


def test_no_space_is_not_the_archives_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = pack("tar", tmp_path, [GOOD])
    monkeypatch.setattr(tar.Content, "read", full)
    with pytest.raises(OSError, match="No space"):
        unpack(path, tmp_path / "root", digest=hashlib.sha256(GOOD).hexdigest())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limits", [tar.Limits(entries=50), tar.Limits(total=99), tar.Limits(depth=1)])
def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, limits: tar.Limits) -> None:
    monkeypatch.setattr(module, "LIMITS", limits)
    monkeypatch.setattr("freezer.base.oci.rootfs.LIMITS", limits)
    layers = [[folder("etc/d/e" + "/f" * (0 if way == "tar" else 200)), *(file(f"{n}", b"xx") for n in range(50))]]
    refusal = attempt(way, tmp_path, layers)
    assert refusal is not None
    assert len(list((tmp_path / "top/place/root").iterdir())) <= 50


NAMES = st.sampled_from(
    ["a", "b", "a/b", "b/a", "a/b/a", ".", "./a", "a//b", "b/.", "..", "a/..", "../a", f"{TOP}/a", "a/../b", "", "a\0b"]
    + [".wh.a", "a/.wh.b", ".wh..wh..opq", "a/.wh..wh..opq", ".wh...", "b/.wh..", "proc", "dev/a"]
)
TARGETS = st.sampled_from(
    [
        "a",
        "b",
        "a/b",
        "./a",
        ".",
        "..",
        "../..",
        "../../a",
        "../../../b",
        "a/../..",
        TOP,
        f"{TOP}/a",
        "b/../../../a",
        "",
    ]
)
TYPES = st.sampled_from(
    [tarfile.REGTYPE] * 3 + [tarfile.SYMTYPE] * 3 + [HARD] * 2 + [tarfile.DIRTYPE, tarfile.FIFOTYPE]
)


@settings(max_examples=150)
@given(
    st.sampled_from(WAYS),
    st.lists(st.lists(st.tuples(TYPES, NAMES, TARGETS), max_size=7), min_size=1, max_size=3),
)
def test_no_mixture_gets_out(way: str, layers: list[list[tuple[bytes, str, str]]]) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        unpack_mixture(Path(folder), way, layers)


def unpack_mixture(top: Path, way: str, layers: list[list[tuple[bytes, str, str]]]) -> None:
    contents: dict[bytes, str] = {}
    linked: set[str] = set()
    made: list[list[Entry]] = []
    for layer in layers:
        made.append([])
        for kind, name, target in layer:
            fields: dict[str, Any] = {"type": kind, "mode": 0o7777, "pax_headers": {"path": name} if name else {}}
            place = posixpath.normpath(name)
            if kind == tarfile.REGTYPE:
                fields["content"] = str(len(contents)).encode()
                contents[fields["content"]] = place
            elif kind in (tarfile.SYMTYPE, HARD):
                fields["linkname"] = target
                linked |= {place} if kind == HARD else set()
            made[-1].append((name.replace("\0", ""), fields))
    attempt(way, top, made)
    root = top / "top/place/root"
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            # Written where it says, and not to where a link leads.
            name = str(path.relative_to(root))
            assert name in linked or contents.get(path.read_bytes()) == name


@pytest.mark.parametrize("change", ["a layer", "the configuration", "the manifest", "a diff ID", "a layer's name"])
@pytest.mark.parametrize("way", ["image", "layout"])
def test_digests_come_first(tmp_path: Path, way: str, change: str) -> None:
    made = Made(archive(file("first")), archive(file("second")))
    contents = made.contents()
    manifest = made.index["manifests"][0]["digest"]
    names = {
        "a layer": "blobs/sha256/" + hashlib.sha256(made.layers[0]).hexdigest(),
        "the configuration": "blobs/" + made.manifest["config"]["digest"].replace(":", "/"),
        "the manifest": "blobs/" + manifest.replace(":", "/"),
    }
    if change in names:
        name = names[change]
        contents[name] = contents[name].replace(b"first" if change == "a layer" else b"linux", b"fIrst")
        contents[name] = contents[name].replace(b"schemaVersion", b"SchemaVersion")
    else:
        made = Made(*made.layers)
        if change == "a diff ID":
            made.config["rootfs"]["diff_ids"][0] = "sha256:" + "0" * 64
        else:
            made.manifest["layers"][0]["digest"] = "sha256:../../../index.json"
        contents = made.contents()
    path = tmp_path / "image"
    refusal = _refusal(path, contents, way, tmp_path / "root")
    assert "sha256" in str(refusal.why)
    assert not (tmp_path / "root/first").exists()


def _refusal(path: Path, contents: dict[str, bytes], way: str, root: Path) -> InputError:
    if way == "image":
        path.write_bytes(archive(*(file(name, data) for name, data in contents.items())))
    else:
        for name, data in contents.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    with pytest.raises(InputError) as caught:
        unpack(path, root, digest=identify(path))
    return caught.value


@pytest.mark.parametrize("way", WAYS)
def test_changed_since_it_was_identified(tmp_path: Path, way: str) -> None:
    path = pack(way, tmp_path, [GOOD])
    digest = identify(path)
    other = pack(way, tmp_path / "other", [archive(file("f", b"abd"))])
    with pytest.raises(InputError, match="changed while"):
        unpack(other, tmp_path / "root", digest=digest)


@pytest.mark.parametrize("what", ["blob", "index", "folder"])
def test_links_in_layouts(tmp_path: Path, what: str) -> None:
    path = pack("layout", tmp_path, [GOOD])
    blob = path / "blobs/sha256" / hashlib.sha256(GOOD).hexdigest()
    moved = {"blob": blob, "index": path / "index.json", "folder": blob.parent}[what]
    moved.rename(tmp_path / "moved")
    moved.symlink_to(tmp_path / "moved")
    with contextlib.suppress(InputError):
        identify(path)
    with pytest.raises(InputError, match="is not an image"):
        unpack(path, tmp_path / "root", digest="")
    assert not (tmp_path / "root").exists()


def test_pipes_in_layouts_are_not_waited_for(tmp_path: Path) -> None:
    path = pack("layout", tmp_path, [GOOD])
    (path / "index.json").unlink()
    os.mkfifo(path / "index.json")
    with pytest.raises(InputError, match="is not an image"):
        identify(path)
