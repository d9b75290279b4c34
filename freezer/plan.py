"""What will be built: absolute, validated, frozen values, which ``freezer.resolve`` makes of all input."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from freezer.image.plan import ImageLayout, ImagePlan
from freezer.native.payload import Compression

CONTENTS = "_internal"
"""PyInstaller's name for the directory beside the program."""

DEFAULT_EPOCH = 315619200
"""1980-01-02 in seconds since 1970: the earliest day that zip archives can state in every time zone."""


class EntryKind(enum.Enum):
    """The ways to say what to freeze."""

    SCRIPT = "script"
    SPEC = "spec file"
    PROJECT = "project"
    MODULE = "module"
    INSTALLED = "installed distribution"


class Linker(enum.Enum):
    """What makes one file of a bundle (see ``freezer.link``)."""

    STATICX = "staticx"
    NATIVE = "native"


@dataclass(frozen=True)
class Entry:
    """What to freeze. ``path`` is the script, spec file or project, or the directory that a module is found in;
    ``function`` is MODULE:FUNCTION."""

    kind: EntryKind
    path: Optional[Path]
    function: Optional[str] = None
    console_script: Optional[str] = None


@dataclass(frozen=True)
class Smoke:
    """How verification runs the application. ``arguments`` None means a run without arguments of which any exit
    status is accepted; ``timeout`` is in seconds."""

    arguments: Optional[tuple[str, ...]]
    status: Optional[int]
    timeout: int


@dataclass(frozen=True)
class Plan:
    """A build, fully decided but for what only the build environment can tell."""

    entry: Entry
    name: Optional[str]
    output: Optional[Path]
    folder: Path
    requirements: tuple[Path, ...]
    packages: tuple[str, ...]
    constraints: tuple[Path, ...]
    require_hashes: bool
    python: Optional[str]
    chroot: Optional[str]
    chroot_packages: tuple[str, ...]
    refresh: bool
    add_data: tuple[tuple[Path, str], ...]
    add_binary: tuple[tuple[Path, str], ...]
    libraries: tuple[Path, ...]
    hidden_imports: tuple[str, ...]
    collect_all: tuple[str, ...]
    copy_metadata: tuple[str, ...]
    exclude: tuple[str, ...]
    pyinstaller_args: tuple[str, ...]
    provisions: Mapping[str, Optional[bool]]
    linker: Linker
    compress: Compression
    strip: bool
    verify: bool
    smoke: Smoke
    jobs: int
    epoch: int
    image: Optional[ImagePlan] = None

    @property
    def native(self) -> bool:
        """Whether the application is to be started by freezer's own means."""
        unpacked = self.image is not None and self.image.layout is ImageLayout.UNPACKED
        return self.linker is Linker.NATIVE or unpacked

    def digest_parts(self) -> dict[str, Any]:
        """All that decides the executable, for comparison with an earlier build's. Images are made anew each time."""
        parts = dataclasses.asdict(self)
        for irrelevant in ("refresh", "jobs", "image"):
            del parts[irrelevant]
        return parts
