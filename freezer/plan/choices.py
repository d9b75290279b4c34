"""The choices that a plan is made of, and the few values that every stage goes by."""

from __future__ import annotations

import enum
from typing import TypeVar

from freezer.base.errors import InputError

_Choice = TypeVar("_Choice", bound=enum.Enum)

CONTENTS = "_internal"
"""PyInstaller's name for the directory beside the program."""


DEFAULT_EPOCH = 315619200
"""1980-01-02 in seconds since 1970: the earliest day that zip archives can state in every time zone."""


class EntryKind(enum.Enum):
    """The ways to say what to freeze."""

    SCRIPT = "script"
    PACKAGE = "package"
    ARCHIVE = "zip application"
    SPEC = "spec file"
    PROJECT = "project"
    MODULE = "module"
    INSTALLED = "installed distribution"


class Linker(enum.Enum):
    """What makes one file of a bundle (see ``freezer.link``)."""

    STATICX = "staticx"
    NATIVE = "native"


class Packing(enum.Enum):
    """How an executable is packed: not at all, quickly, or as small as can be."""

    NONE = "none"
    FAST = "fast"
    SMALL = "small"


class Sources(enum.Enum):
    """Which modules bring their sources: the application's own and those that code reads, all, or none."""

    OWN = "own"
    ALL = "all"
    NONE = "none"


class LayerCompression(enum.Enum):
    """How layers are compressed; the value is the suffix of the media type."""

    NONE = ""
    GZIP = "+gzip"
    ZSTD = "+zstd"


class Verification(enum.Enum):
    """How much proof is wanted: a proof or a failure, what this host permits, or none."""

    REQUIRE = "require"
    AUTO = "auto"
    NO = "no"


class Start(enum.Enum):
    """How an application starts: as every program does, or from a snapshot of memory behind its imports."""

    PLAIN = "plain"
    SNAPSHOT = "snapshot"


class Leave(enum.Enum):
    """How a process ends that was started from a snapshot: as every Python does, or without taking apart the modules of
    the snapshot."""

    PLAIN = "plain"
    EARLY = "early"


class Own(enum.Enum):
    """What of the application's own files comes along without being asked for: all, its code alone, or nothing."""

    ALL = "all"
    CODE = "code"
    NONE = "none"


class ImageFormat(enum.Enum):
    """Whose media types an image has: those of the specification, or docker's, which keep a health check everywhere."""

    OCI = "oci"
    DOCKER = "docker"


class ImageLayout(enum.Enum):
    """What an image has of the application: its executable, or the files that it would unpack, in layers."""

    BINARY = "binary"
    UNPACKED = "unpacked"


def choice(text: str, kinds: type[_Choice], option: str) -> _Choice:
    """Return the choice that an option's value names. Raises InputError for an unknown one."""
    try:
        return kinds(text)
    except ValueError as error:
        known = ", ".join(str(item.value) for item in kinds)
        raise InputError(f"{option} {text!r} is unknown", hint=f"it is one of: {known}") from error


MANIFEST = ".freezer.json"
"""The file in a bundle with what freezer tells its own later checks; data, never read by the application."""
