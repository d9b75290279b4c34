"""Runs staticx beside it, as a process of its own, on a tree that is complete already.

staticx would look for libraries with ldd, on the build host, and takes times, owners and modes into its archive from
the file system. Here it is given the tree's members and writes each with fixed metadata, so that the same tree gives
the same bytes. Its hook for PyInstaller archives is not needed: there is none in the tree.
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
from typing import IO, TYPE_CHECKING, Optional

import staticx_internals as internals

if TYPE_CHECKING:
    from staticx_messages import LinkRequest, Member


class Tree:
    """The members of the tree, all at once in staticx's archive."""

    def __init__(self, request: LinkRequest) -> None:
        self.program = request["program"]
        self.epoch = request["epoch"]
        self.others = [item for item in request["members"] if item["name"] != self.program]

    def opened(self, tar: tarfile.TarFile) -> None:
        """Have what staticx adds itself written as everything else is."""
        addfile = tar.addfile

        def normalised(info: tarfile.TarInfo, fileobj: Optional[IO[bytes]] = None) -> None:
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = self.epoch
            info.mode = 0o755 if info.issym() or info.mode & 0o100 else 0o644
            addfile(info, fileobj)

        setattr(tar, "addfile", normalised)  # noqa: B010

    def has_program(self, tar: tarfile.TarFile) -> None:
        """Add all other members."""
        for item in self.others:
            info = member(item, self.epoch)
            if "source" in item:
                add(tar, info, item["source"])
            else:
                tar.addfile(info)


def member(item: Member, epoch: int) -> tarfile.TarInfo:
    """The header of a member: the same owner, time and mode, whoever builds and wherever."""
    info = tarfile.TarInfo(item["name"])
    info.mtime = epoch
    info.mode = 0o755 if item.get("executable", "source" not in item) else 0o644
    if "link" in item:
        info.type, info.linkname = tarfile.SYMTYPE, item["link"]
    elif "source" not in item:
        info.type = tarfile.DIRTYPE
    return info


def add(tar: tarfile.TarFile, info: tarfile.TarInfo, source: str) -> None:
    """Write a member whose content is that of a file."""
    with open(source, "rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        tar.addfile(info, file)


def main() -> None:
    request: LinkRequest = json.load(sys.stdin)
    # What the interpreter put first is the directory of this file; staticx must not find its modules here.
    del sys.path[0]
    (program,) = [item["source"] for item in request["members"] if item["name"] == request["program"]]
    internals.generate(program, request["output"], Tree(request), request["compress"])


main()
