"""Writes freezer/environment/toolchain.txt: what freezer builds applications with, and the hashes of its wheels.

Run it with the Python of the checkout's environment: ``.venv/bin/python packaging/pin_toolchain.py``. It asks pip for
the newest wheels of each platform and of each version of Python, within the range of setup.cfg.
"""

from __future__ import annotations

import configparser
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PINS = CHECKOUT / "freezer" / "environment" / "toolchain.txt"

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
"""The versions that applications may be built with."""

PLATFORMS = (
    "manylinux2014_aarch64",
    "manylinux2014_i686",
    "manylinux2014_ppc64le",
    "manylinux2014_s390x",
    "manylinux2014_x86_64",
    "musllinux_1_1_aarch64",
    "musllinux_1_1_x86_64",
)
"""The platforms that PyInstaller has wheels for on Linux."""

EVERYWHERE = ("altgraph", "packaging", "pyinstaller", "pyinstaller-hooks-contrib")
BEFORE = {"importlib-metadata": (3, 10), "zipp": (3, 10)}
"""What only versions of Python before these need."""

Pin = tuple[str, frozenset[str]]
"""A version, and the hashes of its wheels."""

HEADER = """\
# What freezer builds applications with, whatever is installed beside it. Written by packaging/pin_toolchain.py.
"""


def numbers(python: str) -> tuple[int, ...]:
    """The parts of a version of Python, as numbers."""
    return tuple(int(part) for part in python.split("."))


def markers(pins: Mapping[str, Pin], everywhere: bool) -> dict[str, tuple[Pin, str]]:
    """The pins of one distribution by their versions, each with the marker of the Pythons that it is for.

    ``pins`` are those for each version of Python, the oldest first; with ``everywhere`` they cover all.
    """
    groups: dict[str, tuple[Pin, list[str]]] = {}
    for python, pin in pins.items():
        groups.setdefault(pin[0], (pin, []))[1].append(python)
    ordered = list(groups.values())
    found = {}
    for index, (pin, pythons) in enumerate(ordered):
        bounds = []
        if index > 0:
            bounds.append(f'python_version >= "{pythons[0]}"')
        if index < len(ordered) - 1:
            bounds.append(f'python_version < "{ordered[index + 1][1][0]}"')
        elif not everywhere:
            last = numbers(pythons[-1])
            bounds.append(f'python_version < "{last[0]}.{last[1] + 1}"')
        found[pin[0]] = (pin, " and ".join(bounds))
    return found


def render(name: str, pin: Pin, marker: str) -> str:
    """The lines of one requirement."""
    head = f"{name}=={pin[0]}" + (f" ; {marker}" if marker else "")
    return " \\\n    ".join([head, *(f"--hash=sha256:{digest}" for digest in sorted(pin[1]))]) + "\n"


def wanted(name: str) -> str:
    """A distribution with the range that setup.cfg has for it."""
    setup = configparser.ConfigParser()
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    for line in setup["options"]["install_requires"].splitlines():
        if line.split() and line.split()[0] == name:
            return line.partition(";")[0]
    return name


def look_up(requirement: str, python: str) -> Pin:
    """The newest version for a version of Python, and the hashes of its wheels for all platforms."""
    version, digests = "", set()
    for platform in PLATFORMS:
        with tempfile.TemporaryDirectory() as folder:
            options = ["--no-deps", "--only-binary", ":all:", "--python-version", python, "--platform", platform]
            command = [sys.executable, "-m", "pip", "download", "--quiet", *options, "--dest", folder, requirement]
            subprocess.run(command, check=True)
            (wheel,) = Path(folder).glob("*.whl")
            digests.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
            found = wheel.name.split("-")[1]
        if version not in ("", found):
            raise SystemExit(f"{requirement} is {version} on one platform, and {found} on {platform}")
        version = found
        if wheel.name.endswith("-none-any.whl"):
            break
    return version, frozenset(digests)


def main() -> None:
    """Write the file."""
    text = HEADER
    for name in sorted((*EVERYWHERE, *BEFORE)):
        pythons = [python for python in PYTHONS if name not in BEFORE or numbers(python) < BEFORE[name]]
        pins = {python: look_up(wanted(name), python) for python in pythons}
        for pin, marker in markers(pins, name in EVERYWHERE).values():
            text += render(name, pin, marker)
    PINS.write_text(text, encoding="utf-8")
    print(f"wrote {PINS}")


if __name__ == "__main__":
    main()
