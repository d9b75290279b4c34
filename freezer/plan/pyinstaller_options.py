"""All options of PyInstaller's command line, and what becomes of each behind ``--`` (``pyinstaller_args``).

Most are passed on. What PyInstaller does for other systems only, it leaves undone here, too. The rest is about its own
programs: freezer does it anyway, or it has no counterpart and is refused.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Optional


class Value(enum.Enum):
    """What an option's value is: text, a path, a list of paths, SOURCE:DESTINATION, or an option of Python."""

    NONE = enum.auto()
    TEXT = enum.auto()
    PATH = enum.auto()
    PATHS = enum.auto()
    PAIR = enum.auto()
    PYTHON = enum.auto()


@dataclass(frozen=True)
class Option:
    """An option: its names, and its value. ``done`` says that freezer does it anyway, so that it is not passed on.
    ``refused`` says why it cannot be passed on, and ``instead`` what to try."""

    names: tuple[str, ...]
    value: Value = Value.TEXT
    done: bool = False
    refused: Optional[str] = None
    instead: Optional[str] = None

    @property
    def name(self) -> str:
        """The name that is passed on: a long one, if there is one."""
        return next((name for name in self.names if name.startswith("--")), self.names[0])


def _option(names: str, value: Value = Value.TEXT, *, done: bool = False) -> Option:
    return Option(tuple(names.split()), value, done)


def _flag(names: str, *, done: bool = False) -> Option:
    return Option(tuple(names.split()), Value.NONE, done)


def _refused(names: str, why: str, instead: str, value: Value = Value.TEXT) -> Option:
    return Option(tuple(names.split()), value, refused=why, instead=instead)


PLACES = "freezer decides where files are made meanwhile"
ONE_FILE = "freezer makes one file, and none beside it"

OPTIONS = (
    # What to generate.
    _flag("--onefile -F", done=True),
    _refused(
        "--onedir -D",
        ONE_FILE,
        "--image TAR --image-layout unpacked, in front of the --: an image with the application as files",
        Value.NONE,
    ),
    _refused("--name -n", "freezer has it, too", "--name NAME, in front of the --"),
    _refused("--specpath", PLACES, "leave it out; pyi-makespec writes a spec file to keep"),
    _refused(
        "--contents-directory", ONE_FILE, "leave it out, as PyInstaller's one-file mode has no use for it, either"
    ),
    # What goes in.
    _option("--add-data", Value.PAIR),
    _option("--add-binary", Value.PAIR),
    _option("--paths -p", Value.PATHS),
    _option("--hidden-import --hiddenimport"),
    _option("--collect-submodules"),
    _option("--collect-data --collect-datas"),
    _option("--collect-binaries"),
    _option("--collect-all"),
    _option("--copy-metadata"),
    _option("--recursive-copy-metadata"),
    _option("--additional-hooks-dir", Value.PATH),
    _option("--runtime-hook", Value.PATH),
    _option("--exclude-module"),
    _refused("--splash", "an executable of freezer's shows no picture while it starts", "leave it out", Value.PATH),
    _refused("--splash-center", "an executable of freezer's shows no picture while it starts", "leave it out"),
    # How to generate. Of --debug, "imports" has an effect: there is no bootloader to trace, and no archive of its.
    _option("--debug -d"),
    _option("--optimize"),
    _option("--python-option", Value.PYTHON),
    _flag("--strip -s"),
    _flag("--noupx", done=True),
    _option("--upx-exclude", done=True),
    _refused("--upx-dir", "freezer does not pack with UPX", "--compress small, in front of the --"),
    # Windows and macOS only.
    _flag("--console -c --nowindowed"),
    _flag("--windowed -w --noconsole"),
    _option("--hide-console"),
    _option("--icon -i"),
    _flag("--disable-windowed-traceback"),
    _option("--version-file"),
    _option("--manifest"),
    _option("-m"),
    _option("--resource -r"),
    _flag("--uac-admin"),
    _flag("--uac-uiaccess"),
    _flag("--argv-emulation"),
    _option("--osx-bundle-identifier"),
    _option("--target-architecture --target-arch"),
    _option("--codesign-identity"),
    _option("--osx-entitlements-file"),
    # Rarely used.
    _refused(
        "--runtime-tmpdir",
        "where an executable of freezer's unpacks is decided when it is started",
        "start it with FREEZER_CACHE=DIRECTORY (--linker native) or TMPDIR=DIRECTORY (--linker staticx); "
        "in an image: --env FREEZER_CACHE=DIRECTORY",
    ),
    _flag("--bootloader-ignore-signals"),
    # The work.
    _refused("--distpath", "freezer has an option for the result", "-o FILE, in front of the --"),
    _refused("--workpath", PLACES, "--keep-work, in front of the --, keeps them"),
    _flag("--noconfirm -y", done=True),
    _flag("--clean", done=True),
    _option("--log-level"),
    _refused("--help -h", "it makes PyInstaller print something and end", "freezer build --help", Value.NONE),
    _refused("--version -v", "it makes PyInstaller print something and end", "freezer --version", Value.NONE),
)
