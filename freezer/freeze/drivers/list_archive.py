"""Runs beside PyInstaller: lists what is in a program's archive, and in the archives of modules in that.

Reads a ``ListRequest`` on stdin; replies on stdout with an ``ArchiveListing``, or null if the program has no archive.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Optional

import pyinstaller_internals as internals

if TYPE_CHECKING:
    from freeze_messages import ArchiveListing, ListRequest


def listing(request: ListRequest) -> Optional[ArchiveListing]:
    try:
        package = internals.Package(request["program"])
    except ValueError:
        return None
    entries = package.entries()
    archives = [name for name, kind, _ in entries if kind == internals.ARCHIVE_OF_MODULES]
    return {
        "start": package.start,
        "end": package.end,
        "entries": entries,
        "modules": {
            name: [(module, length) for module, (_kind, length) in package.modules(name)[0].items()]
            for name in archives
        },
    }


def main() -> None:
    request: ListRequest = json.load(sys.stdin)
    del sys.path[0]
    print(json.dumps(listing(request)))


main()
