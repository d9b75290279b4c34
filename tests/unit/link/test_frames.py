"""The frames of a payload: where they begin, and that none is made twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest
import zstandard
from launching import frames_of

from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.link.payload import frames
from freezer.link.payload.pack import RECORD, Record, Type, packed_size, records_of, stream, write
from freezer.link.payload.read import find_payload
from freezer.plan.choices import Packing


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "data").write_bytes(bytes(range(256)) * 40)
    return folder


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    path = tmp_path / "launcher"
    path.write_bytes(b"\x7fELF" + bytes(5000))
    return path


def test_frames(tmp_path: Path, launcher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of one size, and begin anew before a record, and in the content of one, where this asks for it."""
    monkeypatch.setattr(frames, "FRAME", 1000)
    source = tmp_path / "source"
    source.write_bytes(bytes(range(250)) * 10)
    records = [
        Record(Type.FILE, "a", data=b"1" * 1500),
        Record(Type.FILE, "b", source=source, cuts=(0, 700, 800)),
        Record(Type.FILE, "c", data=b"3" * 10, cuts=(0,)),
    ]
    write(launcher, records, Packing.FAST, tmp_path / "out")
    trailer = find_payload(tmp_path / "out")
    assert trailer is not None
    content = (tmp_path / "out").read_bytes()[trailer.offset :][: trailer.size]
    found = list(frames_of(content))
    head = RECORD.size + 1
    sizes = [1000, head + 500, head + 700, 100, 1000, 700, head + 10 + RECORD.size]
    assert [len(item) for item in found] == sizes
    assert b"".join(found) == b"".join(stream(records, filters=True))


def test_frames_are_compressed_once(
    tree: Path, launcher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are the same without a memory, with a new one, a full one, and a damaged one."""
    made: list[int] = []
    compressor = zstandard.ZstdCompressor

    def counting(**options: Any) -> zstandard.ZstdCompressor:
        made.append(1)
        return compressor(**options)

    monkeypatch.setattr(zstandard, "ZstdCompressor", counting)
    monkeypatch.setattr(frames, "FRAME", 4000)
    folder = tmp_path / "memory"

    def build(memory: Optional[ContentMemory]) -> tuple[bytes, int]:
        made.clear()
        write(launcher, records_of(tree), Packing.FAST, tmp_path / "out", memory=memory)
        return (tmp_path / "out").read_bytes(), len(made)

    plain, number = build(None)
    assert number == 3
    assert build(ContentMemory(str(folder), "1")) == (plain, number)
    assert build(ContentMemory(str(folder), "1")) == (plain, 0)
    # That of another version of zstd is another matter.
    assert build(ContentMemory(str(folder), "2")) == (plain, number)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        path.write_bytes(path.read_bytes()[:-1])
    assert build(ContentMemory(str(folder), "1")) == (plain, number)
    assert packed_size(records_of(tree), Packing.FAST, ContentMemory(str(folder), "1")) == find_size(tmp_path / "out")


def find_size(path: Path) -> int:
    trailer = find_payload(path)
    assert trailer is not None
    return trailer.size
