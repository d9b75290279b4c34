"""Runs beside PyInstaller: lists what is in a program's archive, and in the archives of modules in that.

Replies on stdout: null if the program has no archive, else where that starts and ends in the file, and the name, type
and packed length of each entry; all in bytes.
"""

import json
import sys


def main():
    request = json.load(sys.stdin)
    del sys.path[0]
    from PyInstaller.archive.readers import ArchiveReadError, CArchiveReader

    try:
        archive = CArchiveReader(request["program"])
    except ArchiveReadError:
        print("null")
        return
    modules = {}
    for name, entry in archive.toc.items():
        if entry[-1] == "z":
            toc = archive.open_embedded_archive(name).toc
            modules[name] = [[str(module), int(length)] for module, (_kind, _offset, length) in toc.items()]
    reply = {
        "start": archive._start_offset,
        "end": archive._end_offset,
        "entries": [[name, entry[-1], entry[1]] for name, entry in archive.toc.items()],
        "modules": modules,
    }
    print(json.dumps(reply))


main()
