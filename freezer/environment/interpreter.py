"""The Python to build with, as it describes itself.

Unusable interpreters are refused here, before the slow work, with a hint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, cast

from freezer.base.elf import is_elf, parse_elf, read_elf
from freezer.base.elf_file import NotElf
from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.job import Job
from freezer.environment.drivers import DRIVERS
from freezer.environment.drivers.environment_messages import Description
from freezer.plan.build import Plan
from freezer.store.file_facts import fact, state_of
from freezer.system.buildroot import BuildRoot
from freezer.system.loader import loader_directories
from freezer.system.rooted import is_file, opened, within


@dataclass(frozen=True)
class Interpreter:
    """A Python that applications can be built with, as it describes itself; its paths are the host's."""

    executable: Path
    version: tuple[int, int, int]
    prefix: Path
    libpython: Path

    @property
    def version_text(self) -> str:
        """The version as text: 3.11.2."""
        return ".".join(map(str, self.version))


def probe_interpreter(plan: Plan, root: BuildRoot, job: Job) -> Interpreter:
    """Find the Python to build with, and read its description. Raises InputError, and as ``describe_interpreter``
    does."""
    with job.step("python") as step:
        interpreter = describe_interpreter(root.locate(plan.python), root, job)
        step.result = f"{interpreter.version_text} at {interpreter.executable}"
    return interpreter


def describe_interpreter(path: Path, root: BuildRoot, job: Job) -> Interpreter:
    """Run an interpreter to read its description, and refuse one that freezer cannot build with.

    Raises EnvironmentFailure: not a Python, too old, another implementation, musl, or no shared libpython.
    """
    try:
        facts = parse_description(_description(path, root, job))
    except ValueError as error:
        raise EnvironmentFailure(
            f"{path} is not a Python interpreter",
            why=str(error),
            hint="give the path of an interpreter itself: --python /usr/bin/python3",
        ) from error
    version = tuple(facts["version"])
    name = f"Python {'.'.join(map(str, version))} at {facts['executable']}"
    if facts["implementation"] != "cpython":
        raise EnvironmentFailure(f"{name} is {facts['implementation']}; only CPython can be frozen")
    if version < (3, 9):
        raise EnvironmentFailure(f"{name} is too old", hint="use Python 3.9 or newer: --python 3.11")
    if facts["libc"] != "glibc":
        raise EnvironmentFailure(
            f"{name} is linked against {facts['libc']}",
            why="staticx's start-up code and name service workaround need glibc",
            hint="build with a Python of a glibc distribution (Debian, Ubuntu, Fedora, ...); the result runs on musl",
        )
    libpython = find_libpython(facts, root)
    if libpython is None:
        short = f"{version[0]}.{version[1]}"
        raise EnvironmentFailure(
            f"{name} has no shared libpython",
            why=f"{facts['library']} is in none of {', '.join(facts['directories'])} nor in the loader's directories",
            hint=f"{root.how_to_add('libpython', short)}\n"
            f"pyenv:           PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {short}\n"
            "from source:     ./configure --enable-shared\n"
            "or another interpreter: --python PATH",
        )
    return Interpreter(
        executable=root.outside(facts["executable"]),
        version=(version[0], version[1], version[2]),
        prefix=root.outside(facts["prefix"]),
        libpython=libpython,
    )


def _description(path: Path, root: BuildRoot, job: Job) -> str:
    """Return what an interpreter says of itself. If it is a program of the host, and no script that may start any, that
    is found out once for as long as its files are the same."""

    def ask() -> str:
        done = root.run(
            [path, "-I", DRIVERS / "describe.py"],
            job,
            what=f"use {path} as the Python to build with",
            env=root.user_environment(job),
            cwd=job.work,
            capture=True,
            error=EnvironmentFailure,
        )
        return done.stdout

    if root.path != Path("/") or not is_elf(path):
        return ask()

    def with_library() -> str:
        text = ask()
        return json.dumps([text, _state_of_library(text, root)])

    def holds(known: str) -> bool:
        text, state = json.loads(known)
        return state is not None and bool(state == _state_of_library(text, root))

    # Beside a virtual environment's program is a file that names the interpreter.
    deciding = [path, *(folder / "pyvenv.cfg" for folder in path.parents[:2]), DRIVERS / "describe.py"]
    return str(json.loads(fact("description of a Python", deciding, with_library, job, holds=holds))[0])


def _state_of_library(description: str, root: BuildRoot) -> Optional[str]:
    """Return the state of the shared library, which has most of an interpreter; None if there is none."""
    try:
        library = find_libpython(parse_description(description), root)
    except ValueError:
        return None
    return None if library is None else repr(state_of(library))


def parse_description(text: str) -> Description:
    """Read what ``describe.py`` has printed. Raises ValueError if a part of it is missing, or of another type."""
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise ValueError("its description of itself is no JSON object")
    wrong = [name for name in Description.__annotations__ if not _is_described(facts.get(name), name)]
    if wrong:
        raise ValueError(f"its description of itself has no valid {' or '.join(wrong)}")
    return cast(Description, facts)


def _is_described(value: object, name: str) -> bool:
    if name == "version":
        return isinstance(value, list) and len(value) == 3 and all(type(number) is int for number in value)
    if name == "directories":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def find_libpython(facts: Description, root: BuildRoot) -> Optional[Path]:
    """Find the shared library of the interpreter that ``describe.py`` described; None if it was built without one."""
    directories = [root.outside(item) for item in facts["directories"]]
    try:
        with opened(root.path, root.outside(facts["executable"])) as file:
            machine = parse_elf(file, Path(facts["executable"])).machine
    except (NotElf, OSError):
        machine = ""
    for directory in [*directories, *loader_directories(root.path, machine)]:
        candidate = directory / facts["library"]
        if is_file(root.path, candidate):
            return within(root.path, candidate)
    return None


def check_version(plan: Plan, interpreter: Interpreter) -> None:
    """Refuse a Python that the script's metadata excludes."""
    if plan.requires_python is None:
        return
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted = SpecifierSet(plan.requires_python)
    except InvalidSpecifier as error:
        raise InputError(f"requires-python of {plan.entry.path} is malformed", why=str(error)) from error
    if not wanted.contains(interpreter.version_text, prereleases=True):
        raise InputError(
            f"{plan.entry.path} requires Python {plan.requires_python}",
            why=f"the Python to build with is {interpreter.version_text}",
            hint="choose another: --python PATH or --python VERSION",
        )


def check_architecture(plan: Plan, interpreter: Interpreter) -> None:
    """Refuse libraries given by the user that are made for another machine, before the slow work."""
    machine = read_elf(interpreter.libpython)
    for path in [*plan.libraries, *(source for source, _ in plan.add_binary if source.is_file())]:
        try:
            elf = read_elf(path)
        except NotElf as error:
            raise InputError(f"{path} cannot be used as a library", why=str(error)) from error
        if (elf.machine, elf.bits) != (machine.machine, machine.bits):
            raise InputError(
                f"{path} is made for another machine",
                why=f"it is {elf.machine}, {elf.bits} bit; the Python to build with is {machine.machine}, "
                f"{machine.bits} bit",
            )
