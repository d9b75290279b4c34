"""Runs beside PyInstaller: unpacks the binaries of a one-file program, for the check of programs made by hand."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pyinstaller_internals as internals

if TYPE_CHECKING:
    from freeze_messages import UnpackRequest


def main() -> None:
    request: UnpackRequest = json.load(sys.stdin)
    del sys.path[0]
    try:
        package = internals.Package(request["program"])
    except (ValueError, OSError):
        return
    root = os.path.realpath(request["folder"])
    os.makedirs(root)
    for name, kind, _length in package.entries():
        if kind not in (internals.BINARY, internals.LINK):
            continue
        target = os.path.normpath(os.path.join(root, name))
        if not target.startswith(root + os.sep) or os.path.lexists(target):
            sys.exit("%r reaches out of the archive, or is in it twice" % name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        data = package.read(name)
        if kind == internals.LINK:
            link = data.decode().rstrip("\0")
            where = os.path.normpath(os.path.join(os.path.dirname(target), link))
            if os.path.isabs(link) or not where.startswith(root + os.sep):
                sys.exit("%r links out of the archive" % name)
            os.symlink(link, target)
            continue
        with open(target, "xb") as file:
            file.write(data)


main()
