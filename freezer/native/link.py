"""Linking natively: the closed bundle becomes a tree that needs no start-up work, packed behind freezer's launcher.

PyInstaller's bootloader and its archives are left out. In their place come the runner, which starts the bundled Python
with the bundled dynamic loader and nothing else (freezer/launcher/runner.c), and one archive of all modules, from
which they are imported without a search (freezer/runtime/_freezer_archive.py). The tree::

    program                              the runner
    ld-linux-x86-64.so.2, libc.so.6...   the loader and the system's libraries
    modules                              the archive of modules
    lib/pythonX.Y                        what an interpreter looks for to know where it is, and its first import
    _internal                            extension modules, their libraries, and data: sys._MEIPASS
"""

from __future__ import annotations

import json
import marshal
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freezer import tools
from freezer.bundle import ClosedApp
from freezer.drivers import DRIVERS, MANIFEST
from freezer.errors import ToolError
from freezer.launcher import runner_path
from freezer.log import Log
from freezer.native.payload import Record, Type, records_of
from freezer.plan import CONTENTS
from freezer.workspace import Workspace

ROOM = 4096
"""The bytes that the runner reserves for a path."""
PROGRAM, MODULES = "program", "modules"
ARCHIVE_MAGIC = b"FRZRMOD1"
FIRST = "_freezer_encodings"
START = "import _freezer_native; _freezer_native.start()"
EXTENSION = re.compile(r"(?P<stem>.+?)(?:\.cpython-[\w-]+|\.abi3|\.pypy[\w-]+)?\.so")


@dataclass(frozen=True)
class Package:
    """The code of a frozen application. ``code`` is a file; places in it are (offset, size) in bytes."""

    code: Path
    scripts: list[tuple[str, int, int]]
    modules: dict[str, tuple[int, int, int]]
    options: tuple[str, ...]
    magic: bytes
    version: tuple[int, int]
    library: str

    def read(self, name: str) -> bytes:
        """The marshalled code of a module."""
        offset, size, _ = self.modules[name]
        with open(self.code, "rb") as file:
            file.seek(offset)
            return file.read(size)


def read_package(closed: ClosedApp, *, log: Log, space: Workspace) -> Package:
    """Take the code out of PyInstaller's package. Raises ToolError if that is not possible."""
    code = space.folder("native") / "code"
    done = tools.run(
        [tools.own_python(), "-s", DRIVERS / "read_package.py"],
        log=log,
        build_log=space.build_log,
        what=f"read the package of {closed.frozen.name}",
        env=tools.clean_environment(home=space.folder("home"), temporary=space.folder("tmp"), epoch=0),
        cwd=space.work,
        stdin=json.dumps(
            {
                "program": str(closed.frozen.program),
                "code": str(code),
                "base_library": str(closed.frozen.contents / "base_library.zip"),
            }
        ),
        hold=space.held,
        capture=True,
    )
    reply: dict[str, Any] = json.loads(done.stdout)
    return Package(
        code=code,
        scripts=[(name, offset, size) for name, offset, size in reply["scripts"]],
        modules={name: (offset, size, kind) for name, (offset, size, kind) in reply["modules"].items()},
        options=tuple(reply["options"]),
        magic=bytes.fromhex(reply["magic"]),
        version=(reply["version"][0], reply["version"][1]),
        library=reply["library"],
    )


def make_tree(closed: ClosedApp, *, log: Log, space: Workspace) -> list[Record]:
    """The records of the tree; what is not taken from the bundle is written below the work directory."""
    package = read_package(closed, log=log, space=space)
    made = space.folder("native") / "made"
    python = made / "lib" / "python{}.{}".format(*package.version)
    (python / "encodings").mkdir(parents=True)
    (python / "lib-dynload").mkdir()
    (python / "os.pyc").write_bytes(b"")
    # PEP 552: no flags, no time, no size; files without a source are not compared with one.
    (python / "encodings" / "__init__.pyc").write_bytes(package.magic + bytes(12) + package.read(FIRST))
    write_archive(made / MODULES, package, closed.frozen.contents)
    (made / MANIFEST).write_text(
        json.dumps({"missing_libraries": sorted({item.soname for item in closed.missing})}, sort_keys=True) + "\n"
    )
    (made / MANIFEST).chmod(0o644)
    fixups = write_runner(made / PROGRAM, closed, package)
    left_out = {closed.frozen.name, f"{CONTENTS}/base_library.zip"}
    records = [item for item in records_of(closed.frozen.tree) if item.name not in left_out]
    for item in records_of(made):
        records.append(
            Record(Type.EXECUTABLE, item.name, source=item.source, fixups=fixups) if item.name == PROGRAM else item
        )
    return sorted(records, key=lambda item: (item.type is Type.LINK, _order(item), item.name))


def _order(record: Record) -> int:
    """Directories first; what is alike together, for the compression."""
    if record.type is Type.DIRECTORY:
        return 0
    return 1 if ".so" in record.name else 2


def write_archive(path: Path, package: Package, contents: Path) -> None:
    """Write the archive of modules (see freezer/runtime/_freezer_archive.py)."""
    dynamic = [folder for folder in sorted(contents.glob("**/lib-dynload")) if folder.is_dir()]
    search = [os.path.relpath(folder, contents) for folder in dynamic[:1]]
    table = {
        "modules": package.modules,
        "scripts": package.scripts,
        "extensions": extensions(contents, search),
        "path": [*search, "", *(item.name for item in sorted(contents.glob("*.egg")) if item.is_dir())],
    }
    # Version 2 knows no references, and every Python reads it.
    packed = marshal.dumps(table, 2)
    with open(path, "wb") as out, open(package.code, "rb") as code:
        out.write(ARCHIVE_MAGIC + len(packed).to_bytes(8, "little") + packed)
        shutil.copyfileobj(code, out)
    path.chmod(0o644)


def extensions(contents: Path, search: list[str]) -> dict[str, str]:
    """The extension modules in the bundle: dotted names, and paths below ``contents``."""
    found: dict[str, str] = {}
    for path in sorted(contents.rglob("*.so")):
        inside = path.relative_to(contents)
        match = EXTENSION.fullmatch(path.name)
        folder = str(inside.parent)
        if folder in search:
            folder = "."
        parts = [] if folder == "." else folder.split("/")
        if match is None or not all(part.isidentifier() for part in (*parts, match["stem"])):
            continue
        if match["stem"] == "__init__":
            continue
        found.setdefault(".".join((*parts, match["stem"])), str(inside))
    return found


def python_arguments(options: tuple[str, ...]) -> list[str]:
    """The arguments that Python is started with: isolated from the caller's environment, without site, and with the
    options that a spec file asks for (PyInstaller's "Specifying Python interpreter options")."""
    arguments = ["-I", "-S", "-B"]
    for option in options:
        word, _, value = option.partition(" ")
        if word in ("W", "X"):
            arguments += [f"-{word}", value.strip()]
        elif word in ("u", "unbuffered"):
            arguments.append("-u")
        elif word in ("v", "verbose"):
            arguments.append("-v")
        elif word in ("O", "optimize"):
            arguments.append("-O")
    return [*arguments, "-c", START]


def write_runner(path: Path, closed: ClosedApp, package: Package, launched: bool = True) -> tuple[tuple[int, int], ...]:
    """Write the runner of one application; returns its fixups. Raises ToolError for one that is not freezer's."""
    data = bytearray(runner_path().read_bytes())
    tree = closed.frozen.tree
    libpython = f"/{CONTENTS}/{package.library}"
    libc = next(name for name in ("libc.so.6", "libc.so") if (tree / name).exists())
    fixups = []
    places = {
        b"/@freezer:loader@": f"/{closed.interpreter}",
        b"/@freezer:libpython@": libpython,
        b"/@freezer:libc@": f"/{libc}",
        b"@freezer:python@": "/bin/python3",
    }
    for mark, text in places.items():
        fixups.append((_fill(data, mark, os.fsencode(text)), ROOM))
    _fill(data, b"@freezer:arguments@", b"".join(os.fsencode(item) + b"\0" for item in python_arguments(package.options)))
    at = _find(data, b"@freezer:start@")
    data[at : at + 16] = (b"1" if launched else b"0").ljust(16, b"\0")
    path.write_bytes(data)
    path.chmod(0o755)
    return tuple(fixups)


def _find(data: bytearray, mark: bytes) -> int:
    at = data.find(mark)
    if at < 0 or data.find(mark, at + 1) >= 0:
        raise ToolError("the runner of this installation is not as expected", why=f"{mark!r} is not in it once")
    return at


def _fill(data: bytearray, mark: bytes, text: bytes) -> int:
    """Put a text where the runner has room for it; returns the place."""
    at = _find(data, mark)
    if len(text) >= ROOM:
        raise ToolError("the runner has no room for what it is to start", why=repr(text))
    data[at : at + ROOM] = text.ljust(ROOM, b"\0")
    return at
