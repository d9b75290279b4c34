"""The build environment: an interpreter, and a virtual environment made of it for exactly this application.

The environment is keyed by everything that decides its content and lives in the user's cache. It is built in the work
directory, under a lock, and renamed when complete, so that an existing environment is a whole one; nothing is ever
installed into it afterwards. Nothing of freezer's own is in it: ``toolchain`` is apart from it, and pip runs outside
and installs into it, which also spares the system's ensurepip, a package of its own on Debian.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from freezer.base.job import Job
from freezer.base.received import check_folder
from freezer.environment.interpreter import Interpreter
from freezer.environment.pip import make_venv, pip
from freezer.environment.requirement_files import plain_files
from freezer.environment.resolved import keep_report
from freezer.environment.toolchain import analysis_memory, make_toolchain
from freezer.plan.build import Plan
from freezer.plan.requirements import requirements_content
from freezer.store.workspace import hold, put_in_place
from freezer.system.buildroot import BuildRoot
from freezer.system.rooted import within

LAYOUT = 3
"""Part of every environment's key; raised when freezer makes environments differently."""
REPORT = "requirements.json"
"""The file in the work directory in which pip reports what it has installed."""


@dataclass(frozen=True)
class Environment:
    """A complete build environment. ``python`` runs in it; ``key`` names its content; ``root`` is the system that its
    Python runs in, and that its libraries come from; ``toolchain`` is the directory that PyInstaller is in,
    ``analysis`` that of what its analyses keep for later builds."""

    python: Path
    interpreter: Interpreter
    key: str
    reused: bool
    root: BuildRoot
    toolchain: Path
    analysis: Path


def environment_key(interpreter: Interpreter, root: BuildRoot, plan: Plan, dependencies: tuple[str, ...]) -> str:
    """Return a name for an environment, made from all that decides its content. ``dependencies`` come from the
    project's metadata.

    Requirements files count by their content, with the files they include; local paths in them by their files' names,
    sizes and times.
    """
    digest = hashlib.sha256()
    real = within(root.path, interpreter.executable)
    binary = real.stat()
    parts: list[object] = [
        LAYOUT,
        str(interpreter.executable),
        str(real),
        root.state(),
        binary.st_size,
        binary.st_mtime_ns,
        interpreter.version_text,
        str(interpreter.libpython),
        list(dependencies),
        plan.require_hashes,
        requirements_content(plan),
    ]
    digest.update(json.dumps(parts).encode())
    return digest.hexdigest()[:24]


def make_environment(
    interpreter: Interpreter, root: BuildRoot, plan: Plan, dependencies: tuple[str, ...], job: Job
) -> Environment:
    """Find or make the environment for this plan.

    Two builds that need the same one wait for each other and share it; it is held until the build ends. Raises
    EnvironmentFailure if pip fails.
    """
    key = environment_key(interpreter, root, plan, dependencies)
    home = job.cache / "env" / key
    python = home / "bin" / "python"

    def usable() -> bool:
        return (home / "complete").is_file() and python.is_symlink()

    def make() -> None:
        # Built where the sweep finds it if this build is killed.
        aside = job.work / "environment"
        _create(aside, interpreter, root, plan, dependencies, job)
        check_folder(aside, job.work)
        report = job.work / REPORT
        if os.path.lexists(report):
            keep_report(report, aside.name, job)
        job.write("environment/complete", "")
        put_in_place(aside, home, job)

    lock = job.cache / "env" / f"{key}.lock"
    reused = hold(job, lock, usable=usable, make=make, anew=plan.refresh)
    os.utime(home)
    root = root.with_directory(home, "env")
    toolchain = make_toolchain(interpreter, root, python, job, anew=plan.refresh)
    analysis = analysis_memory(interpreter, root, job)
    root = root.with_directory(toolchain, "toolchain").with_directory(analysis, "analysis", writable=True)
    return Environment(python, interpreter, key, reused, root, toolchain, analysis)


def _create(
    home: Path, interpreter: Interpreter, root: BuildRoot, plan: Plan, dependencies: tuple[str, ...], job: Job
) -> None:
    make_venv(home, root, interpreter, job)
    python = home / "bin" / "python"
    wanted: list[str | Path] = [option for path in plain_files(plan, root, job) for option in ("-r", path)]
    # A package of its own per argument; "--" keeps a requirement from being read as an option of pip's.
    wanted += ["--", *dependencies, *plan.packages] if dependencies or plan.packages else []
    constraints: list[str | Path] = [option for path in plan.constraints for option in ("-c", path)]

    if plan.requirements or dependencies or plan.packages:
        options = ["--require-hashes"] if plan.require_hashes else []
        # Three quarters of pip's work is to compile modules, of which a build imports few: see start_with_toolchain.
        if root.is_writable(job.cache / "env"):
            options.append("--no-compile")
        pip(
            "install",
            ["--report", job.work / REPORT, *constraints, *options, *wanted],
            job,
            root=root,
            interpreter=interpreter,
            python=python,
            what="install the requirements",
            folder=plan.folder,
        )
