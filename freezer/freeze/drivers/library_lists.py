"""Which libraries a file loads, asked of the loader itself: PyInstaller asks ldd, a shell script that starts the loader
twice for each file."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, Optional

PT_INTERP = 3


class Loader:
    """Stands for ``subprocess`` where PyInstaller runs ldd: ``--list`` of the loader prints what ldd prints."""

    PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL
    path: ClassVar[str] = ""

    @classmethod
    def run(cls, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        program, file = command
        if program != "ldd":
            raise SystemExit("ERROR: PyInstaller runs %s, which is not known to freezer" % program)
        done = subprocess.run([cls.path, "--list", file], check=False, **options)
        # It complains of files for other machines, and of those that are no libraries; ldd says less, which is ignored.
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, "")


def list_by_loader() -> None:
    """Have PyInstaller ask the loader of this Python, not ldd, which libraries a file loads."""
    from PyInstaller.depend import bindepend

    loader = interpreter_of(os.path.realpath(sys.executable))
    # musl's loader has no such option, and its ldd is the loader itself.
    if loader is not None and os.path.basename(loader).startswith("ld-linux"):
        Loader.path = loader
        bindepend.subprocess = Loader


def interpreter_of(program: str) -> Optional[str]:
    """The loader that a program names (PT_INTERP of the System V gABI); None if it names none."""
    with open(program, "rb") as file:
        header = file.read(64)
        if header[:4] != b"\x7fELF" or header[4] != 2 or header[5] != 1:
            return None
        place, entry, count = (*struct.unpack_from("<Q", header, 32), *struct.unpack_from("<HH", header, 54))
        for number in range(count):
            file.seek(place + number * entry)
            kind, _, offset, _, _, size, _, _ = struct.unpack("<IIQQQQQQ", file.read(56))
            if kind == PT_INTERP:
                file.seek(offset)
                return os.fsdecode(file.read(size).rstrip(b"\0"))
    return None
