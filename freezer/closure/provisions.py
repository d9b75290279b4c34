"""Provisions: files of the system that the application's imports use and an empty root lacks, copied into the bundle.

The C.UTF-8 locale, time zones, CA certificates, terminal descriptions and names of network services are files of the
operating system that a scratch image or an appliance does not have. Data of the index's packages (tzdata, certifi) is
preferred over the build host's, because it is the same everywhere; the locale must come from the C library that is
bundled. At run time ``freezer/freeze/runtime/_freezer_provisions.py`` uses them where the host has none of its
own.
"""

from __future__ import annotations

import importlib.resources
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer.closure.network_names import copy_network_names
from freezer.closure.zones import copy_zones
from freezer.system.rooted import copy_file, copy_folder, is_file, is_folder

LOCALES = ("usr/lib/locale/C.utf8", "usr/lib/locale/C.UTF-8")
"""The places of the locale in a system. The C library looks for the normalised spelling first."""
TERMINFO = ("etc/terminfo", "lib/terminfo", "usr/share/terminfo", "usr/lib/terminfo")
TERMINALS = (
    "ansi dumb linux screen screen-256color tmux tmux-256color vt100 vt220 xterm xterm-256color xterm-color "
    "rxvt rxvt-unicode rxvt-unicode-256color alacritty foot kitty putty"
).split()


@dataclass(frozen=True)
class Provision:
    """A provision. ``modules`` are the modules that use it, None if every application may; ``copy`` puts it at a path,
    or returns False if the build machine lacks it too. It is not needed where the place ``other`` is provided."""

    name: str
    option: str
    modules: Optional[frozenset[str]]
    place: str
    copy: Callable[[Path, Path], bool]
    other: str = ""


@dataclass(frozen=True)
class Provided:
    """A provision in the bundle, and its size in bytes."""

    name: str
    size: int


def copy_locale(root: Path, target: Path) -> bool:
    """Copy the locale C.UTF-8 of the system at ``root``; False if it has none."""
    for name in LOCALES:
        source = root / name
        if is_folder(root, source):
            copy_folder(root, source, target)
            return True
    return False


def copy_zoneinfo(_root: Path, target: Path) -> bool:
    """Copy the time zones of the tzdata package."""
    with importlib.resources.as_file(importlib.resources.files("tzdata") / "zoneinfo") as source:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return True


def copy_certificates(_root: Path, target: Path) -> bool:
    """Copy the CA certificates of certifi."""
    import certifi

    shutil.copyfile(certifi.where(), target)
    return True


def _copy_terminfo(root: Path, target: Path) -> bool:
    found = False
    for terminal in TERMINALS:
        for place in TERMINFO:
            source = root / place / terminal[0] / terminal
            if is_file(root, source):
                copy = target / terminal[0] / terminal
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy_file(root, source, copy)
                found = True
                break
    return found


PROVISIONS = (
    Provision("locale C.UTF-8", "locale", frozenset({"locale", "curses", "readline"}), "locale/C.utf8", copy_locale),
    Provision("time zones", "tzdata", frozenset({"zoneinfo", "tzdata"}), "zoneinfo", copy_zoneinfo),
    Provision("time zones", "tzdata", None, "zones", copy_zones, other="zoneinfo"),
    Provision("CA certificates", "ca_certs", frozenset({"ssl"}), "cacert.pem", copy_certificates),
    Provision("terminal descriptions", "terminfo", frozenset({"_curses", "readline"}), "terminfo", _copy_terminfo),
    Provision("network names", "services", frozenset({"socket"}), "etc", copy_network_names),
)


def provide(
    contents: Path, modules: frozenset[str], switches: Mapping[str, Optional[bool]], root: Path
) -> tuple[list[Provided], list[str]]:
    """Copy the provisions that the application uses into ``contents``, the directory of its files.

    ``switches`` maps a provision's option to True (always), False (never) or None (when the import graph has one of
    its modules). ``root`` is the file system of the build environment. Returns what was copied, and the names of what
    was wanted but is not to be had.
    """
    provided, lacking, folder = [], [], contents / "_freezer"
    for item in PROVISIONS:
        switch = switches.get(item.option)
        used = item.modules is None or item.modules & modules
        if switch is False or (switch is None and not used) or (item.other and (folder / item.other).exists()):
            continue
        target = folder / item.place
        target.parent.mkdir(parents=True, exist_ok=True)
        if item.copy(root, target):
            provided.append(Provided(item.name, size_of(target)))
        else:
            lacking.append(item.name)
    return provided, lacking


def looked_for(root: Path) -> list[Path]:
    """Return the places in a system that provisions are copied from, whether there is anything or not."""
    places = [root / name for name in LOCALES]
    found = [path for place in places for path in (place, *sorted(place.rglob("*")))]
    return found + [root / place / name[0] / name for name in TERMINALS for place in TERMINFO]


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a directory."""
    if path.is_file():
        return path.stat().st_size
    return sum(item.lstat().st_size for item in path.rglob("*") if item.is_file())
