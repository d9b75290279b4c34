"""Runs beside PyInstaller: lists what is in a program's archive, and in the archives of modules in that.

Replies on stdout: null if the program has no archive, else where that starts and ends in the file, and the name, type
and packed length of each entry; all in bytes.
"""

import json
import sys

import pyinstaller_internals as internals


def main():
    request = json.load(sys.stdin)
    del sys.path[0]
    try:
        package = internals.Package(request["program"])
    except ValueError:
        print("null")
        return
    entries = package.entries()
    archives = [name for name, kind, _ in entries if kind == internals.ARCHIVE_OF_MODULES]
    reply = {
        "start": package.start,
        "end": package.end,
        "entries": entries,
        "modules": {
            name: [[module, length] for module, (_kind, length) in package.modules(name)[0].items()]
            for name in archives
        },
    }
    print(json.dumps(reply))


main()
