"""The file that the launcher is part of: its stream, its trailer, and that both depend on the content alone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from launching import frames_of

from freezer.link.payload.identity import IDENTITY
from freezer.link.payload.pack import (
    END_MAGIC,
    MAGIC,
    RANGE,
    RECORD,
    TRAILER,
    VERSION,
    Record,
    Type,
    records_of,
    stream,
    write,
)
from freezer.link.payload.read import find_payload
from freezer.plan.choices import Packing

TRAILER_SIZE = 128


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "b" / "empty").mkdir(parents=True)
    (folder / "b" / "data").write_bytes(bytes(range(256)) * 40)
    (folder / "b" / "run").write_bytes(b"#!")
    (folder / "b" / "run").chmod(0o755)
    (folder / "a").symlink_to("b/data")
    (folder / "folder").symlink_to("b")
    (folder / "\udcff").write_bytes(b"")
    return folder


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    path = tmp_path / "launcher"
    path.write_bytes(b"\x7fELF" + bytes(5000))
    return path


def test_the_records_of_a_tree(tree: Path) -> None:
    """Directories before what is in them; links last, so that nothing is written through one."""
    assert [(item.type, item.name, item.size) for item in records_of(tree)] == [
        (Type.FILE, "\udcff", 0),
        (Type.DIRECTORY, "b", 0),
        (Type.FILE, "b/data", 10240),
        (Type.EXECUTABLE, "b/run", 2),
        (Type.DIRECTORY, "b/empty", 0),
        (Type.LINK, "a", 6),
        (Type.LINK, "folder", 1),
    ]


def test_the_stream() -> None:
    records = [
        Record(Type.DIRECTORY, "d"),
        Record(Type.EXECUTABLE, "d/x", data=b"12345", fixups=((1, 3),)),
        Record(Type.LINK, "l", data=b"d/x"),
    ]
    assert b"".join(stream(records, filters=True)) == (
        RECORD.pack(ord("D"), 1, 0, 0, 0)
        + b"d"
        + RECORD.pack(ord("X"), 3, 1, 5, 0)
        + b"d/x"
        + RANGE.pack(1, 3)
        + b"12345"
        + RECORD.pack(ord("L"), 1, 0, 3, 0)
        + b"ld/x"
        + RECORD.pack(ord("E"), 0, 0, 0, 0)
    )


@pytest.mark.parametrize("compression", Packing)
def test_the_trailer(tree: Path, launcher: Path, tmp_path: Path, compression: Packing) -> None:
    records = records_of(tree)
    output = tmp_path / "out"
    trailer = write(launcher, records, compression, output)
    content = output.read_bytes()
    plain = b"".join(stream(records, filters=True))
    found = TRAILER.unpack(content[-TRAILER_SIZE:])
    identity = hashlib.blake2b(plain, digest_size=32, person=IDENTITY).digest()
    digest = hashlib.blake2b(content[:-40], digest_size=32).digest()
    offset, size = found[3:5]
    assert (found[0], found[1], found[2], found[-1]) == (
        MAGIC,
        VERSION,
        int(compression is not Packing.NONE),
        END_MAGIC,
    )
    assert (found[5], found[7], found[8], found[9], found[10]) == (len(plain), len(records), 0, identity, digest)
    assert content[: launcher.stat().st_size] == launcher.read_bytes()
    assert offset == launcher.stat().st_size and offset + size + TRAILER_SIZE == len(content)
    packed = content[offset : offset + size]
    if compression is not Packing.NONE:
        packed = b"".join(frames_of(packed))
    assert packed == plain
    assert (trailer.offset, trailer.size, trailer.identity, trailer.digest) == (offset, size, identity, digest)
    # What it takes up on a disk: each file's blocks, and one for each directory, link and empty file.
    assert trailer.disk == found[6] == 3 * 4096 + 6 * 4096


@pytest.mark.parametrize("init", [False, True])
def test_the_trailer_says_whether_process_1_becomes_an_init(
    tree: Path, launcher: Path, tmp_path: Path, init: bool
) -> None:
    trailer = write(launcher, records_of(tree), Packing.FAST, tmp_path / "out", init=init)
    assert trailer.init is init and find_payload(tmp_path / "out") == trailer


def test_the_identity_is_the_contents_alone(tree: Path, launcher: Path, tmp_path: Path) -> None:
    first = write(launcher, records_of(tree), Packing.FAST, tmp_path / "one")
    again = write(launcher, records_of(tree), Packing.FAST, tmp_path / "two")
    other = write(launcher, records_of(tree), Packing.NONE, tmp_path / "three")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert first.identity == again.identity == other.identity
    (tree / "b" / "data").chmod(0o755)
    changed = write(launcher, records_of(tree), Packing.FAST, tmp_path / "four")
    assert changed.identity != first.identity


def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")

    class Shrinking(Record):
        @property
        def size(self) -> int:
            return 6

    with pytest.raises(OSError, match="changed while it was read"):
        list(stream([Shrinking(Type.FILE, "file", source=path)], filters=True))


def test_what_is_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    name = os.fsencode(tmp_path / "tree") + b"/\xff"
    with open(name, "wb"):
        pass
    assert b"\xff" in b"".join(stream(records_of(tmp_path / "tree"), filters=True))
