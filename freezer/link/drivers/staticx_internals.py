"""staticx's internals that freezer relies on, all of them, under names of freezer's own.

None of them is part of staticx's documented interface, which is its command line, and any release may change them. Each
has a test in tests/unit/link/test_staticx_internals.py that says what would break. staticx is imported by the functions
alone: who reads its executables must not import it (it is licensed under the GPL).
"""

from __future__ import annotations

import tarfile
from typing import IO, Any, Protocol

SECTION = ".staticx.archive"
"""The section of an executable that has the archive: a tar, or one compressed with xz."""
PROGRAM, LOADER = ".staticx.prog", ".staticx.interp"
"""The links in it to what is started, and to its dynamic loader."""
NAME_SERVICES = "libnssfix.so"
"""staticx's answer to a host whose name services load libraries: a library that the program is made to need first."""
PROGRAM_PATH, BUNDLE = "STATICX_PROG_PATH", "STATICX_BUNDLE_DIR"
"""The variables that the start-up program sets; freezer/link/launcher/start.c takes them out again."""
OWN_FILES = "assets/release"
"""Where the package has its start-up program and that library."""


class Contents(Protocol):
    """What has its say about staticx's archive: ``program`` is the name in it of what is started."""

    program: str

    def opened(self, tar: tarfile.TarFile) -> None:
        """Nothing is in it yet."""

    def has_program(self, tar: tarfile.TarFile) -> None:
        """The program is in it, as the last member so far."""


def archive_class() -> Any:
    """The class that writes the archive: its attribute ``tar`` is a TarFile, ``add_program(path, name)`` adds what is
    started."""
    from staticx import api

    return api.SxArchive


def generate(program: str, output: str, contents: Contents, compress: bool) -> None:
    """Write the executable that starts ``program``, and has ``contents`` in its archive.

    staticx has hooks for what it finds in programs, of which that for programs of glibc is wanted, and looks for
    libraries on the build host, which is not.
    """
    from staticx import api, hooks
    from staticx.hooks import glibc

    class Archive(api.SxArchive):  # type: ignore[misc]  # staticx has no types
        def __init__(self, fileobj: IO[bytes], mode: str, compress: bool) -> None:
            super().__init__(fileobj=fileobj, mode=mode, compress=compress)
            contents.opened(self.tar)

        def add_program(self, path: str, _name: str) -> None:
            # The copy that staticx has changed, under the name in the tree.
            super().add_program(path, contents.program)
            contents.has_program(self.tar)

    hooks.hooks[:] = [glibc.process_glibc_prog]
    api.get_shobj_deps = glibc.get_shobj_deps = lambda *_, **__: []
    api.SxArchive = Archive
    api.generate(program, output, compress=compress)
