"""Headers: what is written is read back, by freezer, the standard library and GNU tar."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from freezer.base import tar
from freezer.base.tar_headers import MAX_SIZE, header

KINDS = tar.Kind


def member(name: str = "n", kind: tar.Kind = KINDS.FILE, size: int = 0, **fields: Any) -> tar.Member:
    return tar.Member(name, kind, size, 0o640, fields.get("uid", 0), fields.get("gid", 0), 7, fields.get("target", ""))


DEEP = "/".join(["d" * 60] * 5)
MEMBERS = {
    "short": member("a/b", uid=1, gid=2),
    "100 bytes": member("n" * 100),
    "no slash to split at": member("n" * 101),
    "split": member("d" * 150 + "/" + "n" * 100),
    "over 255": member(DEEP + "/f"),
    "cut within a letter": member("\u00e9" * 90),
    "a directory": member(DEEP + "/", KINDS.DIRECTORY),
    "a long target": member(kind=KINDS.SYMLINK, target="../" + DEEP),
    "a target of 100": member(kind=KINDS.SYMLINK, target="t" * 100),
    "both": member(DEEP, KINDS.SYMLINK, target=DEEP),
    "not UTF-8": member(os.fsdecode(b"\xff" * 120)),
    "large ids": member(uid=1000650000, gid=(1 << 31) - 1),
    "the last ids of USTAR": member(uid=0o7777777, gid=0o7777777),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_written_headers_are_read_back(name: str, tmp_path: Path) -> None:
    wanted = MEMBERS[name]
    data = header(wanted)
    assert len(data) % tar.BLOCK == 0
    [(found, _)] = tar.read_members(io.BytesIO(data + tar.END))
    assert found == tar.Member(**{**vars(wanted), "offset": len(data)})
    with tarfile.open(fileobj=io.BytesIO(data + tar.END)) as opened:
        [info] = opened
    fields = (os.fsencode(info.name), info.linkname, info.size, info.uid, info.gid)
    assert fields == (os.fsencode(wanted.name.rstrip("/")), wanted.target, wanted.size, wanted.uid, wanted.gid)
    (tmp_path / "x.tar").write_bytes(data + tar.END)
    words = ["tar", "--list", "--verbose", "--numeric-owner", "--quoting-style=literal", "-f", "x.tar"]
    listed = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True).stdout
    assert os.fsencode(wanted.name) in listed and f"{wanted.uid}/{wanted.gid}".encode() in listed


def test_what_ustar_can_state_is_one_block() -> None:
    plain = {"short", "100 bytes", "split", "a target of 100", "the last ids of USTAR"}
    assert {name for name, item in MEMBERS.items() if len(header(item)) == tar.BLOCK} == plain


@pytest.mark.parametrize("size", [MAX_SIZE, MAX_SIZE + 1, 9 << 30])
def test_sizes(tmp_path: Path, size: int) -> None:
    """A file with a hole: nothing of its content is read."""
    head = header(member(size=size))
    assert (len(head) > tar.BLOCK) == (size > MAX_SIZE)
    path = tmp_path / "big.tar"
    path.write_bytes(head)
    with open(path, "r+b") as file:
        file.seek(len(head) + size + len(tar.padding(size)))
        file.write(header(member("after")) + tar.END)
    with open(path, "rb") as file:
        found = []
        for item, content in tar.read_members(file):
            found.append((item.name, item.size))
            if content.left:
                content.skip(file)
    with tarfile.open(path) as opened:
        assert [(info.name, info.size) for info in opened] == found == [("n", size), ("after", 0)]


@pytest.mark.parametrize(
    "wrong",
    [
        member("n" * 4097),
        member("d/" * 129 + "f"),
        member("a\0b"),
        member(""),
        member(uid=1 << 31),
        member(size=-1),
        member(kind=KINDS.SYMLINK, target="t" * 5000),
    ],
)
def test_what_would_be_refused_is_not_written(wrong: tar.Member) -> None:
    with pytest.raises(ValueError, match=r"too long|out of range|without a name"):
        header(wrong)
