"""The code of a frozen application, and the archives from which a linked application imports its modules."""

from __future__ import annotations

import dataclasses
import json
import marshal
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from freezer.base import tools
from freezer.base.job import Job
from freezer.base.places import walk
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers.content_memory import ContentMemory
from freezer.freeze.drivers.freeze_messages import PackageContents, PackageRequest
from freezer.freeze.pyinstaller import FrozenApp

MAIN_SCRIPT = "_freezer_main_script"
"""The module that contains the main script's code; see freezer/freeze/runtime/_freezer_runner.py."""
MARKED_SCRIPT = "_freezer_marked_script"
"""The one that contains it with a mark where its imports end; see freezer/freeze/drivers/boundary.py."""
PACKAGE = 1
"""The kind of a package among modules, in PyInstaller's archives."""
ARCHIVE_MAGIC = b"FRZRMOD1"
ZLIB_LEVEL = 9
WORTH_PACKING = 512
"""Bytes of a module's code from which on compression is worth the call to decompress it."""
NEVER_PACKED = ("_freezer_", "encodings", "codecs", "importlib", "zlib")
"""Prefixes of the names of modules that are imported before the decompressor, or by it."""
EXTENSION = re.compile(r"(?P<stem>.+?)(?:\.cpython-[\w-]+|\.abi3|\.pypy[\w-]+)?\.so")


@dataclass(frozen=True)
class Package:
    """The code of a frozen application, in the file ``code``; places in it are (offset, size) in bytes."""

    code: Path
    scripts: list[tuple[str, int, int]]
    modules: dict[str, tuple[int, int, int]]
    options: tuple[str, ...]
    magic: bytes
    version: tuple[int, int]
    library: str

    def read(self, name: str) -> bytes:
        """Return the marshalled code of a module."""
        offset, size, _ = self.modules[name]
        with open(self.code, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def with_code(self, changed: Mapping[str, bytes]) -> Package:
        """Return the package with other code of some modules, which is appended to the file."""
        modules = dict(self.modules)
        with open(self.code, "ab") as file:
            for name, data in changed.items():
                modules[name] = (file.tell(), len(data), modules[name][2])
                file.write(data)
        return dataclasses.replace(self, modules=modules)


def read_package(frozen: FrozenApp, job: Job) -> Package:
    """Take the code out of PyInstaller's package. Raises ToolError if that is not possible."""
    code = job.folder("tree") / "code"
    request: PackageRequest = {
        "package": str(frozen.package),
        "code": str(code),
        "base_library": str(frozen.contents / "base_library.zip"),
    }
    done = job.run(
        [tools.own_python(), "-s", DRIVERS / "read_package.py"],
        what=f"read the package of {frozen.name}",
        stdin=json.dumps(request),
        capture=True,
    )
    reply: PackageContents = json.loads(done.stdout)
    return Package(
        code=code,
        scripts=[(name, offset, size) for name, offset, size in reply["scripts"]],
        modules={name: (offset, size, kind) for name, (offset, size, kind) in reply["modules"].items()},
        options=tuple(reply["options"]),
        magic=bytes.fromhex(reply["magic"]),
        version=(reply["version"][0], reply["version"][1]),
        library=reply["library"],
    )


@dataclass(frozen=True)
class Archive:
    """The content of one archive: names of modules, places of scripts in the package's code, extension modules as
    dotted names with paths below the bundle's contents, directories for ``sys.path``, the next archive's name, the
    modules, of this archive or another, whose source is in the bundle, and those that are the application's own."""

    modules: tuple[str, ...]
    scripts: tuple[tuple[str, int, int], ...]
    extensions: dict[str, str]
    path: tuple[str, ...]
    next: str = ""
    sources: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()


def whole(package: Package, contents: Path, own: frozenset[str] = frozenset()) -> Archive:
    """Return one archive with everything; ``own`` are the modules of the application's own."""
    folders, libraries = _below(contents)
    search = [folder for folder in folders if os.path.basename(folder) == "lib-dynload"][:1]
    eggs = [item.name for item in sorted(contents.glob("*.egg")) if item.is_dir()]
    return Archive(
        modules=tuple(sorted(package.modules)),
        scripts=tuple(package.scripts),
        extensions=extensions(libraries, search),
        path=(*search, "", *eggs),
        sources=with_sources(package, contents),
        own=own | {MAIN_SCRIPT, *({MARKED_SCRIPT} & set(package.modules))},
    )


def with_sources(package: Package, contents: Path) -> frozenset[str]:
    """Return the names of the modules whose source is in the bundle, at the place that they say they come from."""
    main = package.scripts[-1][0] if package.scripts else ""
    found = set()
    for name, (_, _, kind) in package.modules.items():
        place = name.replace(".", "/") + ("/__init__.py" if kind == PACKAGE else ".py")
        if (contents / (main if name == MAIN_SCRIPT else place)).is_file():
            found.add(name)
    return frozenset(found)


def write_archive(
    path: Path, package: Package, archive: Archive, *, packed: Optional[ContentMemory] = None
) -> tuple[int, ...]:
    """Write one archive (freezer/freeze/runtime/_freezer_archive.py describes its layout).

    With ``packed``, compress the code of the modules, except those that Python needs in order to decompress; it keeps
    what was compressed. Return the places, in bytes, at which something begins that changes more often, or less, than
    what is before it: the foreign modules behind the table, the application's own behind those.
    """
    with open(package.code, "rb") as code:
        return _write(path, code, package, archive, packed)


def _write(
    path: Path, code: IO[bytes], package: Package, archive: Archive, packed: Optional[ContentMemory]
) -> tuple[int, ...]:
    at = 0
    pieces: list[bytes] = []

    def read(offset: int, size: int) -> bytes:
        code.seek(offset)
        return code.read(size)

    def place(data: bytes) -> tuple[int, int]:
        nonlocal at
        pieces.append(data)
        at += len(data)
        return at - len(data), len(data)

    modules, compressed = {}, []
    own_at = None
    for name in sorted(archive.modules, key=lambda name: (name in archive.own, name)):
        if name in archive.own and own_at is None:
            own_at = at
        offset, size, kind = package.modules[name]
        data = read(offset, size)
        if packed is not None and size >= WORTH_PACKING and not name.startswith(NEVER_PACKED):
            data = _compressed(data, packed)
            compressed.append(name)
        modules[name] = (*place(data), kind)
    sources = sorted(archive.sources & set(archive.modules))
    contents = {
        "modules": modules,
        "scripts": [(name, *place(read(offset, size))) for name, offset, size in archive.scripts],
        "extensions": dict(sorted(archive.extensions.items())),
        "path": list(archive.path),
        "next": archive.next,
        # Left out in the common case, so that starts need not make a set. A list, as before Python 3.11 a set is
        # marshalled in the order of its hashes, which differs each time.
        **({"packed": compressed} if compressed else {}),
        **({"sources": sources} if sources else {}),
    }
    # Version 2 has no references, and every Python reads it.
    table = marshal.dumps(contents, 2)
    head = ARCHIVE_MAGIC + len(table).to_bytes(8, "little") + table
    with open(path, "wb") as out:
        out.write(head)
        out.writelines(pieces)
    path.chmod(0o644)
    return (len(head), len(head) + (at if own_at is None else own_at))


def _compressed(data: bytes, memory: ContentMemory) -> bytes:
    key = memory.key(str(ZLIB_LEVEL), data)
    known = memory.get(key)
    if isinstance(known, bytes):
        return known
    packed = zlib.compress(data, ZLIB_LEVEL)
    memory.put(key, packed)
    return packed


def places_of(path: Path, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the (offset, size) in bytes of the code of modules in an archive that freezer has written itself. Those
    that are not in it, or have no code, are left out."""
    with open(path, "rb") as file:
        head = file.read(16)
        size = int.from_bytes(head[8:], "little")
        modules = marshal.loads(file.read(size))["modules"]
    found = {name: (16 + size + modules[name][0], modules[name][1]) for name in names if name in modules}
    return {name: place for name, place in found.items() if place[1]}


def _below(contents: Path) -> tuple[list[str], list[str]]:
    """Return the directories below a directory, and all that is named like a library, each sorted."""
    folders, libraries = [], []
    top = os.fspath(contents)
    for directory, inside, names in walk(top):
        above = f"{directory[len(top) :]}/"[1:]
        folders += [above + name for name in inside]
        libraries += [above + name for name in (*inside, *names) if name.endswith(".so")]
    return sorted(folders, key=_parts), sorted(libraries, key=_parts)


def _parts(path: str) -> list[str]:
    return path.split("/")


def extensions(libraries: Iterable[str], search: list[str]) -> dict[str, str]:
    """Return the extension modules among the sorted paths of ``libraries``: dotted names, and paths."""
    found: dict[str, str] = {}
    for path in libraries:
        folder, _, name = path.rpartition("/")
        match = EXTENSION.fullmatch(name)
        parts = [] if not folder or folder in search else folder.split("/")
        if match is None or not all(part.isidentifier() for part in (*parts, match["stem"])):
            continue
        if match["stem"] == "__init__":
            continue
        found.setdefault(".".join((*parts, match["stem"])), path)
    return found
