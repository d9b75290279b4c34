"""Runs beside PyInstaller: takes the code out of a frozen program's package.

Reads a ``PackageRequest`` on stdin; writes all code, marshalled and uncompressed, one after the other into a file, and
replies on stdout with ``PackageContents``, which say where each is there.
"""

from __future__ import annotations

import json
import sys
import zipfile
from typing import IO, TYPE_CHECKING

import pyinstaller_internals as internals

if TYPE_CHECKING:
    from freeze_messages import PackageContents, PackageRequest

MODULE, PACKAGE = 0, 1
PYC_HEADER = 16
"""Bytes before the code in a .pyc file (PEP 552)."""


def take_code(package: internals.Package, base_library: str, out: IO[bytes]) -> PackageContents:
    scripts: list[tuple[str, int, int]] = []
    modules: dict[str, tuple[int, int, int]] = {}
    magic = b""

    def put(data: bytes) -> tuple[int, int]:
        start = out.tell()
        out.write(data)
        return start, len(data)

    for name, code, _length in package.entries():
        if code == internals.SCRIPT:
            scripts.append((name, *put(package.read(name))))
        elif code in internals.MODULES:
            modules.setdefault(name, (*put(package.read(name)), internals.MODULES.index(code)))
        elif code == internals.ARCHIVE_OF_MODULES:
            toc, read = package.modules(name)
            for module, (kind, _size) in sorted(toc.items()):
                modules[module] = (*put(read(module)), kind)
    with zipfile.ZipFile(base_library) as base:
        for item in sorted(base.namelist()):
            if not item.endswith(".pyc"):
                continue
            data = base.read(item)
            magic = data[:4]
            parts = item[: -len(".pyc")].split("/")
            kind = PACKAGE if parts[-1] == "__init__" else MODULE
            name = ".".join(parts[:-1] if kind == PACKAGE else parts)
            modules.setdefault(name, (*put(data[PYC_HEADER:]), kind))
    version, library = package.python()
    return {
        "scripts": scripts,
        "modules": modules,
        "options": package.options,
        "magic": magic.hex(),
        "version": version,
        "library": library,
    }


def main() -> None:
    request: PackageRequest = json.load(sys.stdin)
    del sys.path[0]
    try:
        package = internals.Package(request["package"])
    except ValueError as error:
        sys.exit("%s is no package of PyInstaller's: %s" % (request["package"], error))
    with open(request["code"], "xb") as out:
        print(json.dumps(take_code(package, request["base_library"], out)))


main()
