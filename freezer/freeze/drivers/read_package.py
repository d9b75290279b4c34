"""Runs beside PyInstaller: takes the code out of a frozen program's package.

Writes all code, marshalled and uncompressed, one after the other into a file; replies on stdout where each is there
({"scripts": [[name, offset, size]], "modules": {name: [offset, size, kind]}}, in bytes), what options the program's
Python is to get, the file name of its shared library, and the magic number of its bytecode in hexadecimal digits.
"""

import json
import sys
import zipfile

import pyinstaller_internals as internals

MODULE, PACKAGE = 0, 1
PYC_HEADER = 16
"""Bytes before the code in a .pyc file (PEP 552)."""


def main():
    request = json.load(sys.stdin)
    del sys.path[0]
    try:
        package = internals.Package(request["package"])
    except ValueError as error:
        sys.exit("%s is no package of PyInstaller's: %s" % (request["package"], error))
    scripts, modules, magic = [], {}, b""
    with open(request["code"], "xb") as out:

        def put(data):
            start = out.tell()
            out.write(data)
            return [start, len(data)]

        for name, kind, _length in package.entries():
            if kind == internals.SCRIPT:
                scripts.append([name, *put(package.read(name))])
            elif kind in internals.MODULES:
                modules.setdefault(name, [*put(package.read(name)), internals.MODULES.index(kind)])
            elif kind == internals.ARCHIVE_OF_MODULES:
                toc, read = package.modules(name)
                for module, (module_kind, _size) in sorted(toc.items()):
                    modules[module] = [*put(read(module)), module_kind]
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
    version, library = package.python()
    reply = {
        "scripts": scripts,
        "modules": modules,
        "options": package.options,
        "magic": magic.hex(),
        "version": version,
        "library": library,
    }
    print(json.dumps(reply))


main()
