"""Runs staticx beside it, as a process of its own, on a tree that is complete already.

staticx would look for libraries with ldd, on the build host, and takes times, owners and modes into its archive from
the file system. Here it is given the tree's members and writes each with fixed metadata, so that the same tree gives
the same bytes. Its hook for PyInstaller archives is not needed: there is none in the tree.
"""

import json
import os
import sys
import tarfile

import staticx_internals as internals


def member(item, epoch):
    """The header of a member: the same owner, time and mode, whoever builds and wherever."""
    info = tarfile.TarInfo(item["name"])
    info.mtime = epoch
    info.mode = 0o755 if item.get("executable", "source" not in item) else 0o644
    if "link" in item:
        info.type, info.linkname = tarfile.SYMTYPE, item["link"]
    elif "source" not in item:
        info.type = tarfile.DIRTYPE
    return info


def add(tar, info, source):
    """Write a member whose content is that of a file."""
    with open(source, "rb") as file:
        info.size = os.fstat(file.fileno()).st_size
        tar.addfile(info, file)


def main():
    request = json.load(sys.stdin)
    # What the interpreter put first is the directory of this file; staticx must not find its modules here.
    del sys.path[0]
    epoch = request["epoch"]
    (program,) = [item["source"] for item in request["members"] if item["name"] == request["program"]]

    class Archive(internals.archive_class()):
        """staticx's archive, with everything in it at once."""

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            addfile = self.tar.addfile

            def normalised(info, fileobj=None):
                info.uid = info.gid = 0
                info.uname = info.gname = ""
                info.mtime = epoch
                info.mode = 0o755 if info.issym() or info.mode & 0o100 else 0o644
                addfile(info, fileobj)

            self.tar.addfile = normalised

        def add_program(self, path, name):
            # The copy that staticx has changed, under the name in the tree.
            super().add_program(path, request["program"])
            for item in request["members"]:
                if item["name"] == request["program"]:
                    continue
                info = member(item, epoch)
                if "source" in item:
                    add(self.tar, info, item["source"])
                else:
                    self.tar.addfile(info)

    internals.generate(program, request["output"], Archive, request["compress"])


main()
