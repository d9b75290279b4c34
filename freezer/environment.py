"""The build environment: an interpreter, and a virtual environment made of it for exactly this application.

The environment is keyed by everything that decides its content and lives in the user's cache. It is built aside under
a lock and renamed when complete, so that an existing environment is a whole one; nothing is ever installed into it
afterwards. freezer's own packages are not in it: pip runs outside and installs into it (``pip --python``), which also
spares the system's ensurepip, a package of its own on Debian.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import secrets
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from freezer import tools
from freezer.elf import NotElf, loader_directories, read_elf
from freezer.errors import EnvironmentFailure, InputError
from freezer.log import Log
from freezer.plan import Plan
from freezer.workspace import Workspace, locked, remove_tree

LAYOUT = 1
"""Part of every environment's key; raised when freezer makes environments differently."""

TOOLCHAIN = ("pyinstaller", "pyinstaller-hooks-contrib")
"""What freezer adds to the application's requirements, in the versions installed beside freezer itself."""

DRIVERS = Path(__file__).parent / "drivers"


@dataclass(frozen=True)
class Interpreter:
    """A Python that applications can be built with, as it describes itself."""

    executable: Path
    version: tuple[int, int, int]
    prefix: Path
    machine: str
    libc: str
    libpython: Path

    @property
    def version_text(self) -> str:
        """Like 3.11.2."""
        return ".".join(map(str, self.version))


@dataclass(frozen=True)
class Environment:
    """A complete build environment. ``python`` runs in it; ``key`` names its content; ``root`` is the file system
    that its libraries come from."""

    python: Path
    interpreter: Interpreter
    site_packages: Path
    key: str
    reused: bool
    root: Path = Path("/")


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
    found = shutil.which(wanted) or next(iter(candidates), None)
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
    full = version.count(".") == 2
    return ([] if full or on_path is None else [on_path]) + [str(path) for path in ordered]


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
        machine=facts["machine"],
        libc=facts["libc"],
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


def toolchain_versions() -> dict[str, str]:
    """The versions of the toolchain that are installed beside freezer."""
    return {name: importlib.metadata.version(name) for name in TOOLCHAIN}


def environment_key(interpreter: Interpreter, plan: Plan, dependencies: tuple[str, ...]) -> str:
    """Name an environment by all that decides its content. ``dependencies`` come from the project's metadata.

    Requirements files count by their content, with the files they include; local paths in them by their files' names,
    sizes and times.
    """
    digest = hashlib.sha256()
    binary = interpreter.executable.resolve().stat()
    parts: list[object] = [
        LAYOUT,
        str(interpreter.executable),
        str(interpreter.executable.resolve()),
        binary.st_size,
        binary.st_mtime_ns,
        interpreter.version_text,
        str(interpreter.libpython),
        sorted(toolchain_versions().items()),
        list(dependencies),
        plan.require_hashes,
        requirements_state(plan),
    ]
    digest.update(json.dumps(parts).encode())
    return digest.hexdigest()[:24]


def requirements_state(plan: Plan) -> list[object]:
    """The content of all requirements of a plan, such that it differs whenever pip might install something else."""
    state: list[object] = [*(_requirements_content(path, set()) for path in (*plan.requirements, *plan.constraints))]
    for package in plan.packages:
        place = plan.folder / package.split("[")[0].removeprefix("file://")
        state.append([package, tree_signature(place) if os.sep in package and place.exists() else []])
    return state


def _requirements_content(path: Path, seen: set[Path]) -> list[object]:
    if path in seen:
        return []
    seen.add(path)
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    content: list[object] = [text]
    for line in text.splitlines():
        words = shlex.split(line, comments=True) if _parsable(line) else []
        for option, value in _including(words):
            place = (path.parent / value).resolve()
            if option and place.is_file():
                content.append(_requirements_content(place, seen))
            elif not option and place.exists() and place not in seen:
                content.append(tree_signature(place))
    return content


def _parsable(line: str) -> bool:
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return False
    return True


def _including(words: list[str]) -> Iterator[tuple[bool, str]]:
    """(includes a requirements file, path) for the paths that one line of a requirements file names."""
    for index, word in enumerate(words):
        for option in ("-r", "--requirement", "-c", "--constraint"):
            if word == option and index + 1 < len(words):
                yield True, words[index + 1]
            elif word.startswith(option) and word != option and option in ("-r", "-c"):
                yield True, word[2:]
            elif word.startswith(option + "="):
                yield True, word[len(option) + 1 :]
    if words and not words[0].startswith("--"):
        path = words[1] if words[0] == "-e" and len(words) > 1 else words[0]
        if path.startswith((".", "/")) or os.sep in path:
            yield False, path.split("[")[0].removeprefix("file://")


IGNORED_FOLDERS = frozenset(
    (".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "__pycache__", "build", "dist", "node_modules")
    + (".mypy_cache", ".ruff_cache", ".pytest_cache")
)


def tree_signature(path: Path) -> list[tuple[str, int, int]]:
    """Names, sizes (bytes) and modification times (ns) of the files at or below ``path``, without build products."""
    if path.is_file():
        status = path.stat()
        return [(str(path), status.st_size, status.st_mtime_ns)]
    entries = []
    for directory, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in IGNORED_FOLDERS and not name.endswith(".egg-info"))
        for name in sorted(files):
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(directory, name))
                entries.append((os.path.join(directory, name), status.st_size, status.st_mtime_ns))
    return entries


def local_environment(
    interpreter: Interpreter, plan: Plan, dependencies: tuple[str, ...], *, log: Log, space: Workspace
) -> Environment:
    """Find or make the environment for this plan.

    Two builds that need the same one wait for each other and share it. Raises EnvironmentFailure if pip fails.
    """
    key = environment_key(interpreter, plan, dependencies)
    home = space.cache / "env" / key
    with locked(space.cache / "env" / f"{key}.lock"):
        if plan.refresh and home.exists():
            remove_tree(home)
        reused = (home / "complete").is_file() and (home / "bin" / "python").exists()
        if not reused:
            remove_tree(home)
            aside = space.cache / "env" / f"{key}.{secrets.token_hex(4)}.new"
            for abandoned in (space.cache / "env").glob(f"{key}.*.new"):
                remove_tree(abandoned)
            try:
                _create(aside, interpreter, plan, dependencies, log=log, space=space)
                (aside / "complete").touch()
                os.rename(aside, home)
            finally:
                remove_tree(aside)
    os.utime(home)
    site = home / "lib" / f"python{interpreter.version[0]}.{interpreter.version[1]}" / "site-packages"
    return Environment(home / "bin" / "python", interpreter, site, key, reused)


def _create(
    home: Path, interpreter: Interpreter, plan: Plan, dependencies: tuple[str, ...], *, log: Log, space: Workspace
) -> None:
    env = tools.user_environment()
    tools.run(
        [interpreter.executable, "-I", "-m", "venv", "--without-pip", home],
        log=log,
        build_log=space.build_log,
        what=f"make a virtual environment of {interpreter.executable}",
        env=env,
        cwd=space.work,
        hold=space.held,
        error=EnvironmentFailure,
        hint="the interpreter needs its venv module",
    )
    python = home / "bin" / "python"
    wanted = [option for path in plan.requirements for option in ("-r", str(path))]
    # A package of its own per argument; "--" keeps a requirement from being read as an option of pip's.
    wanted += ["--", *dependencies, *plan.packages] if dependencies or plan.packages else []
    constraints = [option for path in plan.constraints for option in ("-c", str(path))]
    if plan.requirements or dependencies or plan.packages:
        hashes = ["--require-hashes"] if plan.require_hashes else []
        arguments = [*constraints, *hashes, *wanted]
        pip(python, arguments, what="install the requirements", folder=plan.folder, log=log, space=space)
    frozen = space.work / "installed.txt"
    frozen.write_text("\n".join(_installed(home)) + "\n", encoding="utf-8")
    versions = [f"{name}=={version}" for name, version in toolchain_versions().items()]
    arguments = ["-c", str(frozen), "--", *versions]
    pip(python, arguments, what="install PyInstaller", folder=space.work, log=log, space=space)


def pip(python: Path, arguments: list[str], *, what: str, folder: Path, log: Log, space: Workspace) -> None:
    """Run freezer's own pip to install into the environment of ``python``, under the user's pip configuration.

    ``folder`` is what relative paths in requirements are relative to. Raises EnvironmentFailure; pip names the
    requirement that cannot be had.
    """
    tools.run(
        [tools.own_python(), "-I", "-m", "pip", "--python", python, "install", *arguments],
        log=log,
        build_log=space.build_log,
        what=what,
        env=tools.user_environment(),
        cwd=folder,
        hold=space.held,
        error=EnvironmentFailure,
        hint="check the requirement's name and version, and pip's index and network (pip config list)",
    )


def _installed(home: Path) -> list[str]:
    found = []
    for site in home.glob("lib/python*/site-packages"):
        for distribution in importlib.metadata.distributions(path=[str(site)]):
            found.append(f"{distribution.metadata['Name']}=={distribution.version}")
    return sorted(set(found))
