"""Payloads that are damaged or hostile are refused, nothing outside the directory changes, and good ones come out."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from launching import a_library, frames_of, write_modules
from support import snapshot

from freezer.base import tar
from freezer.base.errors import InputError
from freezer.link.payload import pack as payload
from freezer.link.payload import read
from freezer.link.payload.choose import filters_of
from freezer.link.payload.filter import FILTER, Kind
from freezer.link.payload.identity import IDENTITY
from freezer.link.payload.pack import RANGE, RECORD, TRAILER, Record, Type
from freezer.link.payload.read import find_payload, unpack_payload
from freezer.plan.choices import Packing

LIMITS = tar.Limits(entries=1000, total=10_000_000)
LAUNCHER = b"\x7fELF" + bytes(range(256)) * 20
END = RECORD.pack(Type.END, 0, 0, 0, 0)
COMPRESSIONS = list(Packing)


def folder(name: str) -> Record:
    return Record(Type.DIRECTORY, name)


def file(name: str, data: bytes = b"data") -> Record:
    return Record(Type.FILE, name, data=data)


def link(name: str, target: str) -> Record:
    return Record(Type.LINK, name, data=os.fsencode(target))


ROOM = 300
GOOD = (
    folder("d"),
    folder("d/e"),
    Record(Type.EXECUTABLE, "program", data=b"start" + b"/ld.so".ljust(ROOM, b"\0") + b"end", fixups=((5, ROOM),)),
    file("d/data", bytes(range(256)) * 1000),
    file("d/e/empty", b""),
    file("name \udcff\n"),
    link("d/e/l", "../data"),
    link("l", "d/./e//l"),
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where payloads are unpacked; beside it is a file that must never change."""
    inside = tmp_path / "place"
    inside.mkdir()
    (inside / "sentinel").write_text("untouched")
    return inside / "tree"


def write(path: Path, records: Sequence[Record] = GOOD, compression: Packing = Packing.NONE) -> Path:
    launcher = path.with_name("launcher")
    launcher.write_bytes(LAUNCHER)
    payload.write(launcher, records, compression, path)
    return path


def assemble(
    path: Path,
    stream: bytes,
    *,
    records: int = 1,
    packed: Optional[bytes] = None,
    compression: int = 0,
    stream_size: Optional[int] = None,
) -> Path:
    """Write an executable whose digests are right, whatever it says."""
    content = stream if packed is None else packed
    start = LAUNCHER + content
    identity = hashlib.blake2b(stream, digest_size=32, person=IDENTITY).digest()
    size = len(stream) if stream_size is None else stream_size
    head = TRAILER.pack(
        payload.MAGIC,
        payload.VERSION,
        compression,
        len(LAUNCHER),
        len(content),
        size,
        0,
        records,
        0,
        identity,
        b"",
        b"",
    )[:88]
    digest = hashlib.blake2b(start + head, digest_size=32).digest()
    path.write_bytes(start + head + digest + payload.END_MAGIC)
    return path


def header(
    kind: int, name: bytes, size: int = 0, *, filters: int = 0, fixups: int = 0, second: int = 0, length: int = -1
) -> bytes:
    data = RECORD.pack(kind, len(name) if length < 0 else length, fixups, size, filters)
    return data[:1] + bytes([second]) + data[2:] + name


def filters(size: int, *items: tuple[int, int, int, int], total: Optional[int] = None, fixups: int = 0) -> bytes:
    """A file with filters: the kind, the entries, the offset and the size of each."""
    data = b"".join(FILTER.pack(*item) for item in items) + RANGE.pack(0, 40) * fixups
    head = header(Type.FILE, b"a", size if total is None else total, filters=len(items), fixups=fixups)
    return head + data + b"/x".ljust(size, b"\0")


# Good ones


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_good(compression: Packing, tmp_path: Path, place: Path) -> None:
    path = write(tmp_path / "app", GOOD, compression)
    previous = os.umask(0o077)  # whatever it is, another user must be able to read the result
    try:
        trailer = unpack_payload(path, place, limits=LIMITS)
    finally:
        os.umask(previous)
    assert trailer == find_payload(path)
    assert (trailer.compression, trailer.records) == (payload.NUMBERS[compression], len(GOOD))
    assert (place / "l").read_bytes() == (place / "d/data").read_bytes() == bytes(range(256)) * 1000
    assert (place / "program").read_bytes() == b"start/ld.so" + bytes(ROOM - 6) + b"end"
    assert (place / "name \udcff\n").read_bytes() == b"data"
    assert sorted(str(item.relative_to(place)) for item in place.rglob("*")) == sorted(item.name for item in GOOD)
    modes = {item.name: item.stat().st_mode & 0o777 for item in (place, *place.rglob("*")) if not item.is_symlink()}
    assert (modes["program"], modes["data"], modes["d"], modes["tree"]) == (0o755, 0o644, 0o755, 0o755)


def test_filtered_files(tmp_path: Path, place: Path) -> None:
    """What the packer filters comes out as it was, with all kinds of filters."""
    library = a_library()
    assert {item.kind for item in filters_of(library)} == set(Kind) - {Kind.OBJECTS}
    path = write(tmp_path / "app", [Record(Type.FILE, "library", source=library), file("last")], Packing.FAST)
    unpack_payload(path, place, limits=LIMITS)
    assert (place / "library").read_bytes() == library.read_bytes()
    assert (place / "last").read_bytes() == b"data"


def test_filtered_modules(tmp_path: Path, place: Path) -> None:
    """The archive of modules comes out as it was; what is behind a cut begins a frame."""
    archive = tmp_path / "modules"
    cuts = write_modules(archive)
    assert {item.kind for item in filters_of(archive, cuts)} == {Kind.OBJECTS}
    records = [Record(Type.FILE, "modules", source=archive, cuts=cuts), file("last")]
    path = write(tmp_path / "app", records, Packing.FAST)
    unpack_payload(path, place, limits=LIMITS)
    assert (place / "modules").read_bytes() == archive.read_bytes()
    assert (place / "last").read_bytes() == b"data"
    head = path.read_bytes()[len(LAUNCHER) :]
    assert len(list(frames_of(head[: -TRAILER.size]))) == 1 + len(cuts)


def test_reproducible(tmp_path: Path, place: Path) -> None:
    """The same tree from each compression, under the same identity."""
    seen, times = [], set()
    for compression in COMPRESSIONS:
        path = write(tmp_path / compression.name, GOOD, compression)
        assert path.read_bytes() == write(tmp_path / "again", GOOD, compression).read_bytes()
        tree = place.with_name(compression.name)
        seen.append((unpack_payload(path, tree, limits=LIMITS).identity, snapshot(tree)))
        times |= {item.stat().st_mtime for item in tree.rglob("*") if item.is_file() and not item.is_symlink()}
    assert all(item == seen[0] for item in seen)
    assert times == {0}


def test_paths_are_put_in(tmp_path: Path, place: Path) -> None:
    fixups = ((40, 20), (10, 25))
    data = bytearray(b"#" * 70)
    data[10:35] = b"/one".ljust(25, b"\0")
    data[40:60] = b"/two\0rubbish".ljust(20, b"\0")
    path = write(tmp_path / "app", [Record(Type.EXECUTABLE, "program", data=bytes(data), fixups=fixups)])
    unpack_payload(path, place, limits=LIMITS, tree="/some/where")
    data[10:35] = b"/some/where/one".ljust(25, b"\0")
    data[40:60] = b"/some/where/two".ljust(20, b"\0")
    assert (place / "program").read_bytes() == data
    unpack_payload(path, place.with_name("as-is"), limits=LIMITS)
    assert b"/two\0rubbish" in (place.with_name("as-is") / "program").read_bytes()
    for tree in ("/some/where/else/x", "/" + "x" * 5000):
        with pytest.raises(InputError) as caught:
            unpack_payload(path, place.with_name(f"long{len(tree)}"), limits=LIMITS, tree=tree)
        assert "no room" in (caught.value.why or "")


def test_a_path_with_more_room_than_a_path_has(tmp_path: Path, place: Path) -> None:
    data = b"/x".ljust(9000, b"\0") + b"rest"
    path = write(tmp_path / "app", [Record(Type.FILE, "f", data=data, fixups=((0, 9000),))])
    unpack_payload(path, place, limits=LIMITS, tree="/t")
    assert (place / "f").read_bytes() == b"/t/x".ljust(9000, b"\0") + b"rest"


def test_an_empty_tree(tmp_path: Path, place: Path) -> None:
    unpack_payload(write(tmp_path / "app", []), place, limits=LIMITS)
    assert os.listdir(place) == []


# What is no natively linked executable, or a damaged one


def test_others(tmp_path: Path, place: Path) -> None:
    for content in (b"", b"FREEZER\n", LAUNCHER, b"x" * 127, b"FREEZER\n" * 20 + b"x"):
        (tmp_path / "x").write_bytes(content)
        assert find_payload(tmp_path / "x") is None
        with pytest.raises(InputError, match="was not linked natively"):
            unpack_payload(tmp_path / "x", place, limits=LIMITS)
        assert not place.exists()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_cut_off(compression: Packing, tmp_path: Path, place: Path) -> None:
    whole = write(tmp_path / "app", GOOD, compression).read_bytes()
    chosen = random.Random(1)
    for length in [len(whole) - 1, len(whole) - 8, *(chosen.randrange(len(whole)) for _ in range(50))]:
        (tmp_path / "cut").write_bytes(whole[:length])
        assert find_payload(tmp_path / "cut") is None
        with pytest.raises(InputError):
            unpack_payload(tmp_path / "cut", place, limits=LIMITS)
    for at in (chosen.randrange(len(whole) - 128) for _ in range(50)):
        # Something in the middle is lost, or there twice.
        for changed in (whole[:at] + whole[at + 1 :], whole[:at] + whole[at : at + 1] + whole[at:]):
            (tmp_path / "cut").write_bytes(changed)
            with pytest.raises(InputError, match="is damaged"):
                find_payload(tmp_path / "cut")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_flipped_bits(compression: Packing, tmp_path: Path) -> None:
    whole = write(tmp_path / "app", GOOD, compression).read_bytes()
    trailer = find_payload(tmp_path / "app")
    assert trailer is not None
    chosen = random.Random(2)
    parts = [(0, trailer.offset, 20), (trailer.offset, len(whole) - 128, 50), (len(whole) - 128, len(whole), 60)]
    for number, at in enumerate(chosen.randrange(start, end) for start, end, count in parts for _ in range(count)):
        changed = bytearray(whole)
        changed[at] ^= 1 << chosen.randrange(8)
        path = tmp_path / "flipped"
        path.write_bytes(changed)
        with pytest.raises(InputError) as caught:
            unpack_payload(path, tmp_path / f"tree-{number}", limits=LIMITS)
        assert str(path) in caught.value.what
        if at >= len(whole) - 8:
            assert find_payload(path) is None


def test_damage_is_told_with_advice(tmp_path: Path, place: Path) -> None:
    path = write(tmp_path / "app")
    changed = bytearray(path.read_bytes())
    changed[100] ^= 1
    path.write_bytes(changed)
    with pytest.raises(InputError, match="app is damaged") as caught:
        unpack_payload(path, place, limits=LIMITS)
    assert "digest" in (caught.value.why or "")
    assert "again" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (0, b"frzr", "is damaged"),
        (8, (1).to_bytes(4, "little"), "another version"),
        (12, (2).to_bytes(4, "little"), "is damaged"),
        (16, (1 << 63).to_bytes(8, "little"), "is damaged"),
        (24, b"\xff" * 8, "is damaged"),
        (52, b"\2", "is damaged"),
    ],
)
def test_impossible_trailers(at: int, value: bytes, words: str, tmp_path: Path) -> None:
    changed = bytearray(write(tmp_path / "app").read_bytes())
    changed[len(changed) - 128 + at : len(changed) - 128 + at + len(value)] = value
    (tmp_path / "app").write_bytes(changed)
    with pytest.raises(InputError, match=words):
        find_payload(tmp_path / "app")


def test_another_identity(tmp_path: Path, place: Path) -> None:
    """Each digest is compared: this file's own is right."""
    path = write(tmp_path / "app", GOOD, Packing.NONE)
    content = bytearray(path.read_bytes()[:-40])
    content[-32] ^= 1
    path.write_bytes(content + hashlib.blake2b(content, digest_size=32).digest() + payload.END_MAGIC)
    assert find_payload(path) is not None
    with pytest.raises(InputError, match="is damaged"):
        unpack_payload(path, place, limits=LIMITS)


# Hostile ones

HOSTILE = {
    "parent": [file("../sentinel")],
    "parent inside": [folder("a"), file("a/../../sentinel")],
    "parent that stays": [folder("a"), file("a/../b")],
    "absolute": [file("/tmp/freezer-test-escape")],
    "nothing": [file("")],
    "itself": [file(".")],
    "itself in a name": [folder("a"), file("a/./b")],
    "slash at the end": [folder("a/")],
    "two slashes": [folder("a"), file("a//b")],
    "NUL": [file("a\0b")],
    "long": [file("x" * 256)],
    "deep": [folder("/".join("d" * (depth + 1))) for depth in range(130)],
    "twice": [file("a"), file("a")],
    "directory twice": [folder("a"), folder("a")],
    "file over a directory": [folder("a"), file("a")],
    "directory over a file": [file("a"), folder("a")],
    "link over a file": [file("a"), link("a", "b")],
    "file after a link": [link("a", "b"), file("c")],
    "directory after a link": [link("a", "b"), folder("c")],
    "through a link": [folder("d"), link("a", "d"), link("a/x", "y")],
    "before its directory": [file("a/b"), folder("a")],
    "without a directory": [file("a/b")],
    "below a file": [file("a"), file("a/b")],
    "absolute link": [link("a", "/etc/passwd")],
    "link out": [link("a", "../sentinel")],
    "deep link out": [folder("d"), link("d/a", "../../sentinel")],
    "link out and in again": [link("a", "../tree/b")],
    "link to the parent": [link("a", "..")],
    "link to nothing": [link("a", "")],
    "link with a NUL": [link("a", "b\0c")],
    "link to a long name": [link("a", "x/" * 2048)],
    "directory with content": [Record(Type.DIRECTORY, "a", data=b"x")],
    "directory with paths": [Record(Type.DIRECTORY, "a", fixups=((0, 2),))],
    "link with paths": [Record(Type.LINK, "a", data=b"/b\0", fixups=((0, 3),))],
    "paths beyond the end": [Record(Type.FILE, "a", data=b"/x\0", fixups=((1, 3),))],
    "paths far beyond the end": [Record(Type.FILE, "a", data=b"/x\0", fixups=((1 << 63, 1 << 63),))],
    "paths over one another": [Record(Type.FILE, "a", data=b"/x\0\0\0", fixups=((0, 4), (2, 3)))],
    "a path of no length": [Record(Type.FILE, "a", data=b"/x\0", fixups=((0, 1),))],
    "a path that is relative": [Record(Type.FILE, "a", data=b"x\0\0", fixups=((0, 3),))],
    "a path without an end": [Record(Type.FILE, "a", data=b"/xyz", fixups=((0, 4),))],
    "a path without an end in time": [Record(Type.FILE, "a", data=b"/" * 5000 + b"\0", fixups=((0, 5001),))],
}


def refused(path: Path, place: Path, words: str = "is damaged") -> InputError:
    before = {key: value for key, value in snapshot(place.parent).items() if not key.startswith("tree")}
    with pytest.raises(InputError, match=words) as caught:
        unpack_payload(path, place, limits=LIMITS)
    after = {key: value for key, value in snapshot(place.parent).items() if not key.startswith("tree")}
    assert before == after
    assert not Path("/tmp/freezer-test-escape").exists()
    assert str(path) in caught.value.what
    return caught.value


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str, tmp_path: Path, place: Path) -> None:
    refused(write(tmp_path / "app", HOSTILE[name]), place)


RAW = {
    "unknown type": header(ord("H"), b"a"),
    "type of nothing": header(0, b"a"),
    "filtered directory": header(Type.DIRECTORY, b"a", filters=1) + FILTER.pack(1, 0, 0, 0),
    "filtered link": header(Type.LINK, b"a", 1, filters=1) + FILTER.pack(1, 0, 0, 1) + b"b",
    "filtered end": header(Type.END, b"", filters=1) + FILTER.pack(1, 0, 0, 0),
    "second byte": header(Type.FILE, b"a", 1, second=1) + b"x",
    "unknown filter": filters(9, (9, 0, 0, 9)),
    "objects that are none": filters(49, (8, 5, 0, 9), total=9),
    "objects that end too early": filters(41, (8, 5, 0, 2), total=2),
    "objects that are too large": filters(1, (8, 5, 0, (1 << 19) + 1), total=1 << 20),
    "filter of no kind": filters(9, (0, 0, 0, 9)),
    "filter beyond the end": filters(9, (1, 0, 1, 9)),
    "filter before the beginning": filters(9, (1, 0, (1 << 64) - 1, 2)),
    "filter of nothing": filters(9, (1, 0, 1, 0)),
    "filters over one another": filters(9, (1, 0, 0, 5), (2, 4, 4, 4)),
    "rows of a byte": filters(9, (2, 1, 0, 9)),
    "rows that are too wide": filters(9, (2, 65537, 0, 9)),
    "two tables of a kind": filters(90, (3, 0, 0, 9), (3, 0, 9, 9)),
    "a table with too few entries": filters(90, (3, 2, 0, 60)),
    "a path in a table": filters(90, (4, 0, 30, 60), fixups=1),
    "a path in symbols": filters(90, (6, 0, 0, 9), fixups=1),
    "a table that is too large": filters(1, (3, 0, 0, (1 << 24) + 1), total=1 << 25),
    "code in a file of 2 GB": filters(9, (1, 0, 0, 9), total=1 << 31),
    "too many filters": filters(9, *[(6, 0, 0, 1)] * 4097),
    "name that is too long": header(Type.DIRECTORY, b"", length=4096) + b"x" * 4096,
    "too many paths": header(Type.FILE, b"a", 3, fixups=65537) + RANGE.pack(0, 3) * 65537 + b"/x\0",
    "more paths than there are": header(Type.FILE, b"a", fixups=65536),
    "end with a name": header(Type.END, b"a"),
    "end with a size": header(Type.END, b"", 1) + b"x",
    "size beyond the end": header(Type.FILE, b"a", 1_000_000) + b"x",
    "cut header": header(Type.FILE, b"")[:20],
    "cut name": header(Type.FILE, b"", length=5) + b"abc",
}


BEGUN = (
    "size beyond the end",
    "a table with too few entries",
    "a path in a table",
    "a path in symbols",
    "objects that are none",
    "objects that end too early",
)
"""What is noticed only when a part of the file is written."""


@pytest.mark.parametrize("name", RAW)
def test_malformed(name: str, tmp_path: Path, place: Path) -> None:
    refused(assemble(tmp_path / "app", RAW[name] + END), place)
    assert "a" not in os.listdir(place) or name in BEGUN


def test_what_these_are_made_of_is_good(tmp_path: Path, place: Path) -> None:
    stream = header(Type.FILE, b"a", 1) + b"x" + END
    unpack_payload(assemble(tmp_path / "app", stream), place, limits=LIMITS)
    packed = zstandard.compress(stream)
    path = assemble(tmp_path / "app", stream, packed=packed, compression=1)
    unpack_payload(path, place.with_name("packed"), limits=LIMITS)
    # Frames without content add nothing; the launcher decodes them, too.
    for number, more in enumerate((zstandard.compress(b""), b"\x50\x2a\x4d\x18" + bytes(4))):
        path = assemble(tmp_path / "app", stream, packed=packed + more, compression=1)
        unpack_payload(path, place.with_name(f"more{number}"), limits=LIMITS)
    for number, more in enumerate((packed, b"\0", zstandard.compress(stream), zstandard.compress(b"x")[:-1])):
        refused(
            assemble(tmp_path / "app", stream, packed=packed + more, compression=1), place.with_name(f"tree{number}")
        )
    refused(assemble(tmp_path / "app", stream, packed=packed[:-1], compression=1), place.with_name("tree-cut"))


def test_counts_and_sizes_that_lie(tmp_path: Path, place: Path) -> None:
    stream = header(Type.FILE, b"a", 1) + b"x" + END
    cases: list[Path] = []
    lies: list[tuple[bytes, dict[str, Any]]] = [
        (stream, {"records": 0}),
        (stream, {"records": 2}),
        (stream, {"stream_size": len(stream) - 1}),
        (stream, {"stream_size": len(stream) + 1}),
        (stream, {"stream_size": (1 << 64) - 1}),
        (stream + b"\0", {}),
        (stream + stream, {}),
        (stream[: -len(END)], {}),
        (b"", {"records": 0}),
    ]
    for number, (content, options) in enumerate(lies):
        cases.append(assemble(tmp_path / f"app{number}", content, **options))
        packed = zstandard.compress(content)
        cases.append(assemble(tmp_path / f"packed{number}", content, packed=packed, compression=1, **options))
    for path in cases:
        refused(path, place.with_name(f"tree-{path.name}"))


def test_too_large(tmp_path: Path, place: Path) -> None:
    path = assemble(tmp_path / "app", header(Type.FILE, b"a", (1 << 64) - 1) + END)
    refused(path, place, "is too large")
    many = write(tmp_path / "many", [file(f"f{number}", b"") for number in range(1001)])
    refused(many, place.with_name("tree-many"), "is too large")
    assert len(os.listdir(place.with_name("tree-many"))) == 1000
    parts = write(tmp_path / "parts", [file(f"f{number}", bytes(4_000_000)) for number in range(3)])
    refused(parts, place.with_name("tree-parts"), "is too large")
    assert len(os.listdir(place.with_name("tree-parts"))) == 2


def test_bomb(tmp_path: Path, place: Path) -> None:
    """What expands more than it says stops there, in little memory."""
    size = 1 << 28
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    packed = packer.compress(header(Type.FILE, b"a", size))
    for _ in range(256):
        packed += packer.compress(bytes(1 << 20))
    packed += packer.compress(END) + packer.flush()
    assert len(packed) < 100_000
    stream = header(Type.FILE, b"a", 5) + b"12345" + END
    for path, words in (
        (assemble(tmp_path / "app", stream, packed=packed, compression=1), "is damaged"),
        (assemble(tmp_path / "lie", stream, packed=packed, compression=1, stream_size=size + 49), "is too large"),
    ):
        tracemalloc.start()
        refused(path, place.with_name(f"tree-{path.name}"), words)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 64 << 20
        assert os.listdir(place.with_name(f"tree-{path.name}")) == []
    # Behind what it is to have.
    more = zstandard.compress(stream + bytes(1 << 28))
    refused(assemble(tmp_path / "more", stream, packed=more, compression=1), place.with_name("tree-more"))


def test_a_window_that_is_too_big(tmp_path: Path, place: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=28, write_content_size=False)
    stream = header(Type.FILE, b"a", 1) + b"x" + END
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(stream) + packer.flush()
    refused(assemble(tmp_path / "app", stream, packed=packed, compression=1), place)


def test_a_file_that_becomes_shorter(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "app")
    real = read._trailer

    def then_cut(*arguments: object) -> object:
        found = real(*arguments)  # type: ignore[arg-type]
        os.truncate(path, 5000)
        return found

    monkeypatch.setattr(read, "_trailer", then_cut)
    refused(path, place)


NAMES = st.sampled_from(["a", "b", "a/b", "a/a", "b/a", "..", ".", "/", "a/..", "a/../b", "/a", "../a", "./a", "a//b"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=120)
@given(st.lists(st.tuples(NAMES, st.sampled_from([file, folder, link]), NAMES), max_size=6))
def test_no_mixture_gets_out(tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, object, str]]) -> None:
    top = tmp_path_factory.mktemp("mixture")
    (top / "a").write_text("untouched")
    (top / "b").mkdir()
    (top / "place").mkdir()
    made = [
        file(name) if kind is file else folder(name) if kind is folder else link(name, target)
        for name, kind, target in members
    ]
    path = write(top / "app", made)
    with contextlib.suppress(InputError):
        unpack_payload(path, top / "place" / "tree", limits=LIMITS)
    assert (top / "a").read_text() == "untouched"
    assert sorted(os.listdir(top)) == ["a", "app", "b", "launcher", "place"]
    assert os.listdir(top / "b") == []
    assert os.listdir(top / "place") == ["tree"]
