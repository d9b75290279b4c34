"""The Python to build with: finding it, and asking it what it is.

Whatever cannot work is refused here, before anything slow, with what to do about it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer import tools
from freezer.drivers import DRIVERS
from freezer.elf import NotElf, loader_directories, read_elf
from freezer.errors import EnvironmentFailure, InputError
from freezer.log import Log
from freezer.workspace import Workspace


@dataclass(frozen=True)
class Interpreter:
    """A Python that applications can be built with, as it describes itself."""

    executable: Path
    version: tuple[int, int, int]
    prefix: Path
    libpython: Path

    @property
    def version_text(self) -> str:
        """Like 3.11.2."""
        return ".".join(map(str, self.version))


def locate_interpreter(wanted: Optional[str]) -> Path:
    """Turn ``--python`` into an executable: a path, a name on PATH, or a version, searched on PATH and in the usual
    places of pyenv and uv. None means the interpreter that freezer itself was installed with.

    Raises InputError if there is none.
    """
    if wanted is None:
        return Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)
    if os.sep in wanted:
        path = Path(wanted).expanduser().absolute()
        if path.is_dir():
            path = path / "bin" / "python3"
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise InputError(f"--python {wanted}: there is no such executable")
        return path
    match = re.fullmatch(r"(?:python|cpython-)?(\d+(?:\.\d+){0,2})", wanted)
    candidates = [] if match is None else _installed_versions(match.group(1))
    found = next(iter(candidates), None) or shutil.which(wanted)
    if found is None:
        raise InputError(
            f"--python {wanted}: no such interpreter",
            why="it is neither a path, nor on PATH, nor a version that pyenv or uv has installed",
            hint="give the path of the interpreter: --python /path/to/bin/python3",
        )
    return Path(found)


def _installed_versions(version: str) -> list[str]:
    on_path = shutil.which("python" + ".".join(version.split(".")[:2]))
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", home / ".local/share/uv/python"))
    managed = [*pyenv.glob(f"{version}*/bin/python"), *uv.glob(f"cpython-{version}*/bin/python3")]
    exact = re.compile(r"(?:cpython-)?" + re.escape(version) + r"(?![0-9])")
    ordered = sorted((path for path in managed if exact.match(path.parts[-3])), key=_version_key, reverse=True)
    versions = [str(path) for path in ordered]
    if on_path is None or version.count(".") == 2:
        return versions
    # A shim of pyenv is there for every version, whether it is active or not; the versions themselves are better.
    return [*versions, on_path] if Path(on_path).parent.name == "shims" else [on_path, *versions]


def _version_key(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", path.parts[-3])[:3])


def probe_interpreter(path: Path, *, log: Log, space: Workspace) -> Interpreter:
    """Ask an interpreter what it is, and refuse at once one that cannot work.

    Raises EnvironmentFailure: too old, another implementation, musl, or no shared libpython.
    """
    done = tools.run(
        [path, "-I", DRIVERS / "describe.py"],
        log=log,
        build_log=space.build_log,
        what=f"use {path} as the Python to build with",
        env=tools.user_environment(),
        cwd=space.work,
        capture=True,
        error=EnvironmentFailure,
    )
    try:
        facts = json.loads(done.stdout)
    except ValueError as error:
        raise EnvironmentFailure(f"{path} is no Python interpreter", why=str(error)) from error
    version = tuple(facts["version"])
    name = f"Python {'.'.join(map(str, version))} at {facts['executable']}"
    if facts["implementation"] != "cpython":
        raise EnvironmentFailure(f"{name} is {facts['implementation']}; only CPython can be frozen")
    if version < (3, 9):
        raise EnvironmentFailure(f"{name} is too old", hint="use Python 3.9 or newer: --python 3.11")
    if facts["libc"] != "glibc":
        raise EnvironmentFailure(
            f"{name} is linked against {facts['libc']}",
            why="staticx's start-up code and name service workaround are made for glibc",
            hint="build with a Python of a glibc distribution (Debian, Ubuntu, Fedora, ...); the result runs on musl",
        )
    libpython = find_libpython(facts)
    if libpython is None:
        short = f"{version[0]}.{version[1]}"
        raise EnvironmentFailure(
            f"{name} has no shared libpython",
            why=f"{facts['library']} is in none of {', '.join(facts['directories'])} nor in the loader's directories",
            hint=f"Debian, Ubuntu:  apt-get install libpython{short}\n"
            f"pyenv:           PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {short}\n"
            "from source:     ./configure --enable-shared\n"
            "or another interpreter: --python PATH",
        )
    return Interpreter(
        executable=Path(facts["executable"]),
        version=(version[0], version[1], version[2]),
        prefix=Path(facts["prefix"]),
        libpython=libpython,
    )


def find_libpython(facts: dict[str, object]) -> Optional[Path]:
    """The interpreter's shared library, from what ``describe.py`` told; None if it was built without one."""
    library = str(facts["library"])
    directories = [Path(str(item)) for item in facts["directories"]]  # type: ignore[attr-defined]
    try:
        machine = read_elf(Path(str(facts["executable"]))).machine
    except (NotElf, OSError):
        machine = ""
    for directory in [*directories, *loader_directories(Path("/"), machine)]:
        candidate = directory / library
        if candidate.is_file():
            return candidate
    return None
