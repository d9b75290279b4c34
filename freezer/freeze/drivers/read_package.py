"""Runs beside PyInstaller: takes the code out of a frozen program's package.

Writes all code, marshalled and uncompressed, one after the other into a file; replies on stdout where each is there
({"scripts": [[name, offset, size]], "modules": {name: [offset, size, kind]}}, in bytes), what options the program's
Python is to get, the file name of its shared library, and the magic number of its bytecode in hexadecimal digits.
"""

import json
import os
import struct
import sys
import zipfile

MODULE, PACKAGE = 0, 1
PYC_HEADER = 16
"""Bytes before the code in a .pyc file (PEP 552)."""


def main():
    request = json.load(sys.stdin)
    del sys.path[0]
    from PyInstaller.archive.readers import ArchiveReadError, CArchiveReader

    try:
        archive = CArchiveReader(request["package"])
    except ArchiveReadError as error:
        sys.exit("%s is no package of PyInstaller's: %s" % (request["package"], error))
    scripts, modules, magic = [], {}, b""
    with open(request["code"], "xb") as out:

        def put(data):
            start = out.tell()
            out.write(data)
            return [start, len(data)]

        for name, entry in archive.toc.items():
            kind = entry[-1]
            if kind == "s":
                scripts.append([name, *put(archive.extract(name))])
            elif kind in ("m", "M"):
                modules.setdefault(name, [*put(archive.extract(name)), PACKAGE if kind == "M" else MODULE])
            elif kind == "z":
                embedded = archive.open_embedded_archive(name)
                for module, (module_kind, _offset, _length) in sorted(embedded.toc.items()):
                    data = embedded.extract(module, raw=True) or b""
                    modules[module] = [*put(data), int(module_kind)]
        with zipfile.ZipFile(request["base_library"]) as base:
            for item in sorted(base.namelist()):
                if not item.endswith(".pyc"):
                    continue
                data = base.read(item)
                magic = data[:4]
                parts = item[: -len(".pyc")].split("/")
                kind = PACKAGE if parts[-1] == "__init__" else MODULE
                name = ".".join(parts[:-1] if kind == PACKAGE else parts)
                modules.setdefault(name, [*put(data[PYC_HEADER:]), kind])
    with open(request["package"], "rb") as file:
        file.seek(archive._end_offset - archive._COOKIE_LENGTH)
        version, library = struct.unpack(archive._COOKIE_FORMAT, file.read(archive._COOKIE_LENGTH))[-2:]
    reply = {
        "scripts": scripts,
        "modules": modules,
        "options": archive.options,
        "magic": magic.hex(),
        "version": [version // 100, version % 100],
        "library": os.path.basename(library.rstrip(b"\0").decode()),
    }
    print(json.dumps(reply))


main()
