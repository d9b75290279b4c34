"""Outputs that are written in place."""

from __future__ import annotations

import os
import pty
import stat
from pathlib import Path

import pytest

from freezer.base.streams import (
    STANDARD_OUTPUT,
    descriptor_of,
    is_stream,
    is_terminal,
    open_stream,
    output_path,
    read_small,
)


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/dev/stdout", 1),
        ("/dev/stderr", 2),
        ("/dev/fd/63", 63),
        ("/proc/self/fd/7", 7),
        ("/dev/null", None),
        ("/tmp/dev/stdout", None),
        ("/dev/fd/x", None),
    ],
)
def test_descriptors(path: str, number: int | None) -> None:
    assert descriptor_of(Path(path)) == number
    assert is_stream(Path(path)) is (number is not None or path == "/dev/null")


def test_output_path(tmp_path: Path) -> None:
    assert output_path("-", tmp_path) == STANDARD_OUTPUT
    assert output_path("./-", tmp_path) == tmp_path / "-"
    assert output_path("a/../b", tmp_path) == tmp_path / "b"
    assert output_path("/x", tmp_path) == Path("/x")


def test_files_and_links_are_no_streams(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/dev/null")
    assert not any(is_stream(tmp_path / name) for name in ("file", "link", "gone"))


def test_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert is_stream(tmp_path / "fifo") and not is_terminal(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open_stream(tmp_path / "fifo") as stream:
            stream.write(b"x")
        assert os.read(reader, 9) == b"x"
    finally:
        os.close(reader)


def test_a_descriptor_stays_open(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb", buffering=0) as file:
        file.write(b"before ")
        with open_stream(Path(f"/dev/fd/{file.fileno()}")) as stream:
            stream.write(b"within ")
        file.write(b"after")
    assert (tmp_path / "file").read_bytes() == b"before within after"


def test_a_terminal() -> None:
    main, other = pty.openpty()
    try:
        assert is_terminal(Path(os.ttyname(other))) and is_terminal(Path(f"/dev/fd/{other}"))
        assert not is_terminal(Path("/dev/null")) and not is_terminal(Path("/dev/fd/1023"))
    finally:
        os.close(main)
        os.close(other)


def test_small_files(tmp_path: Path) -> None:
    """Regular files and descriptors; anything else is refused, and nobody waits."""
    path = tmp_path / "x"
    path.write_bytes(b"content")
    path.chmod(0o640)
    assert read_small(path, 100) == (b"content", stat.S_IFREG | 0o640)
    assert read_small(path, 3)[0] == b"cont"
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "pipe", Path("/dev/null"), tmp_path / "none"):
        with pytest.raises(OSError):
            read_small(other, 100)
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        pipe.write(b"piped")
    data, mode = read_small(Path(f"/dev/fd/{reading}"), 100)
    assert data == b"piped" and stat.S_ISFIFO(mode)
    os.close(reading)
