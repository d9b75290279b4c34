"""The toolchain: PyInstaller and what it needs, in a directory of its own, apart from every application.

It is not installed where the application's requirements are, and takes no part in resolving them. Which versions it
has is not left to an index, either: toolchain.txt names them with the hashes of their wheels, and pip installs nothing
else. It lives in the cache, and is shared by all builds for the same version of Python and the same machine.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from freezer.base.elf import read_elf
from freezer.base.job import Job
from freezer.base.received import check_folder
from freezer.environment.interpreter import Interpreter
from freezer.environment.pip import pip
from freezer.environment.resolved import keep_report
from freezer.store.workspace import hold, put_in_place
from freezer.system.buildroot import BuildRoot

LAYOUT = 2
"""Part of every toolchain's key; raised when freezer makes them differently."""

PINS = Path(__file__).with_name("toolchain.txt")
"""The requirements file with the versions and hashes, written by packaging/pin_toolchain.py."""

ONLY_PINNED = ("--require-hashes", "--only-binary", ":all:", "--no-deps")

HINT = (
    "freezer builds with exactly the wheels whose hashes it has; they must be on pip's index, or in a directory that "
    "pip's option find-links names (pip config list)"
)


def toolchain_key(interpreter: Interpreter, root: BuildRoot) -> str:
    """Return a name for a toolchain, made from all that decides its content. A system to build in has its own: it runs
    the installation, and may not be trusted by the others."""
    elf = read_elf(interpreter.libpython)
    parts = [LAYOUT, interpreter.version[:2], elf.machine, elf.bits, root.state(), PINS.read_text(encoding="utf-8")]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def make_toolchain(interpreter: Interpreter, root: BuildRoot, python: Path, job: Job, *, anew: bool = False) -> Path:
    """Find or make the toolchain, and return its directory; it is held until the build ends.

    ``python`` is the one of an environment of this interpreter. Raises EnvironmentFailure if pip fails.
    """
    home = job.cache / "toolchain" / toolchain_key(interpreter, root)

    def usable() -> bool:
        return (home / "complete").is_file()

    def make() -> None:
        # Made where the sweep finds it if this build is killed.
        aside = job.work / "toolchain"
        aside.mkdir()
        report = job.work / "toolchain.json"
        pip(
            "install",
            ["--report", report, "--target", aside / "modules", *ONLY_PINNED, "-r", PINS],
            job,
            root=root,
            interpreter=interpreter,
            python=python,
            what="install PyInstaller",
            folder=job.work,
            # Constraints in the user's configuration are for applications.
            extra={"PIP_CONSTRAINT": os.devnull},
            hint=HINT,
        )
        check_folder(aside, job.work)
        keep_report(report, aside.name, job)
        job.write("toolchain/complete", f"Python {interpreter.version[0]}.{interpreter.version[1]}")
        put_in_place(aside, home, job)

    hold(job, home.with_name(f"{home.name}.lock"), usable=usable, make=make, anew=anew)
    os.utime(home)
    return home / "modules"


def analysis_memory(interpreter: Interpreter, root: BuildRoot, job: Job) -> Path:
    """Return the directory in which analyses by this toolchain keep what they found in each source. What is missing
    there, or damaged, is found again."""
    home = job.cache / "analysis" / toolchain_key(interpreter, root)
    home.mkdir(exist_ok=True, mode=0o700)
    os.utime(home)
    return home
