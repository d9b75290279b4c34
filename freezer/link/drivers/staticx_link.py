"""Runs staticx beside it, as a process of its own, on a directory that is complete already.

staticx would look for libraries with ldd, on the build host, and takes times, owners and modes into its archive from
the file system. Here it is given a closed tree and writes each archive member with fixed metadata, so that the same
tree gives the same bytes. Its hook for PyInstaller archives is not needed: nothing in the tree is packed yet.
"""

import io
import json
import os
import sys
import tarfile


def normalised(info, epoch):
    """The same owner, time and mode for every member, whoever builds and wherever."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = epoch
    if info.isdir() or info.issym():
        info.mode = 0o755
    else:
        info.mode = 0o755 if info.mode & 0o100 else 0o644
    return info


def main():
    request = json.load(sys.stdin)
    # What the interpreter put first is the directory of this file; staticx must not find its modules here.
    del sys.path[0]
    from staticx import api, hooks
    from staticx.hooks import glibc

    tree, epoch = request["tree"], request["epoch"]
    hooks.hooks[:] = [glibc.process_glibc_prog]
    # The tree is closed: there is nothing to look for.
    api.get_shobj_deps = glibc.get_shobj_deps = lambda path, libpath=None: []

    class Archive(api.SxArchive):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            add = self.tar.addfile
            self.tar.addfile = lambda info, fileobj=None: add(normalised(info, epoch), fileobj)

        def add_program(self, path, name):
            super().add_program(path, name)
            for directory, folders, files in os.walk(tree):
                folders.sort()
                links = [item for item in folders if os.path.islink(os.path.join(directory, item))]
                for item in sorted(files + links):
                    source = os.path.join(directory, item)
                    if source != request["program"]:
                        self.tar.add(source, arcname=os.path.relpath(source, tree), recursive=False)
            text = json.dumps(request["manifest"], sort_keys=True).encode() + b"\n"
            info = tarfile.TarInfo(request["manifest_name"])
            info.size = len(text)
            self.tar.addfile(info, io.BytesIO(text))

    api.SxArchive = Archive
    api.generate(request["program"], request["output"], compress=request["compress"])


main()
