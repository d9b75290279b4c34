"""The unpacked bundle of an executable, and the libraries in it that the sandbox is to load."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.base import tools
from freezer.base.elf import find_elves, read_elf
from freezer.base.elf_file import NotElf
from freezer.base.errors import InputError, VerificationError
from freezer.base.job import Job
from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers.freeze_messages import UnpackRequest
from freezer.plan.choices import CONTENTS, MANIFEST, Linker
from freezer.prove.unpack import Unpacked, unpack_bundle

ONE_FILE = "_onefile"
"""The directory for the files of a one-file program in an unpacked bundle."""


@dataclass(frozen=True)
class Bundle:
    """The unpacked bundle of an executable, if it has one: the sandbox's requests to load libraries, and the libraries
    that the build environment lacked, too."""

    folder: Optional[Path]
    loads: tuple[dict[str, Any], ...]
    known_missing: frozenset[str]


def open_bundle(path: Path, job: Job) -> Bundle:
    """Unpack the bundle of an executable. Raises InputError if it is damaged."""
    unpacked = unpack_bundle(path, job.work / "unpacked")
    if unpacked is None:
        return Bundle(None, (), frozenset())
    if unpacked.linker is Linker.STATICX:
        _unpack_onefile(unpacked, job)
    return bundle_of(unpacked)


def bundle_of(unpacked: Unpacked) -> Bundle:
    """Return an unpacked bundle with its libraries to load. Raises InputError if its manifest is damaged."""
    return Bundle(unpacked.folder, tuple(_loads(unpacked)), _known_missing(unpacked.folder))


def _known_missing(bundle: Path) -> frozenset[str]:
    """Return the libraries that the build environment lacked, too, from the linker's manifest in the bundle."""
    if not (bundle / MANIFEST).is_file():
        return frozenset()
    try:
        content = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
        return frozenset(str(item) for item in content["missing_libraries"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("the bundle's manifest is damaged", why=str(error)) from error


def _loads(unpacked: Unpacked) -> list[dict[str, Any]]:
    """Return a request for each shared library in the bundle, with the search path of the running application."""
    bundle = unpacked.folder
    if unpacked.program is None or unpacked.loader is None:
        return []
    try:
        machine = read_elf(bundle / unpacked.program).machine
    except NotElf:
        return []
    # In an image a link may lead out of the bundle, even to directories of the host.
    places = [item for item in (CONTENTS, ONE_FILE) if (bundle / item).is_dir() and not (bundle / item).is_symlink()]
    path = [f"/bundle/{place}" for place in places]
    # The order of the program's own RPATH, which in staticx's ends with the bundle.
    path = ["/bundle", *path] if unpacked.linker is Linker.NATIVE else [*path, "/bundle"]
    python = [item for place in places for item in sorted((bundle / place).glob("libpython*.so*"))]
    return [
        {
            "loader": f"/bundle/{unpacked.loader}",
            "library_path": path,
            "preload": [f"/bundle/{os.path.relpath(item, bundle)}" for item in python[:1]],
            "file": f"/bundle/{os.path.relpath(elf.path, bundle)}",
        }
        for elf in find_elves(bundle)
        if elf.is_library and elf.machine == machine and not elf.path.name.startswith("ld-")
    ]


def _unpack_onefile(unpacked: Unpacked, job: Job) -> None:
    """Unpack a PyInstaller one-file program inside the bundle, too: people link these with staticx by hand."""
    if (unpacked.folder / CONTENTS).is_dir() or unpacked.program is None:
        return
    program = unpacked.folder / unpacked.program
    request: UnpackRequest = {"program": str(program), "folder": str(unpacked.folder / ONE_FILE)}
    job.run(
        [tools.own_python(), "-s", DRIVERS / "unpack_onefile.py"],
        what=f"read {program.name}",
        stdin=json.dumps(request),
        error=VerificationError,
    )
