"""Running pip, under the user's own configuration of it: index, proxy, certificates.

pip runs under the Python that it installs for, from outside the environment that it installs into: freezer's own pip,
or, for an interpreter that it no longer supports, the newest pip that does, which is kept in the cache.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

from freezer.base import tools
from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job, tail
from freezer.environment.interpreter import Interpreter
from freezer.environment.pip_internals import NO_COMPILER, RUNNER, own_package, supported_pythons
from freezer.store.workspace import locked
from freezer.system.buildroot import BuildRoot

HINT = "check the requirement's name and version, and pip's index and network (pip config list)"


def pip(
    command: str,
    arguments: list[str | Path],
    job: Job,
    *,
    root: BuildRoot,
    interpreter: Interpreter,
    python: Optional[Path] = None,
    what: str,
    folder: Path,
    epoch: Optional[int] = None,
    extra: Optional[Mapping[str, str]] = None,
    hint: str = HINT,
) -> None:
    """Run one pip command ("install", "wheel") for ``python``, by default the interpreter itself.

    ``folder`` is what relative paths in requirements are relative to; ``epoch`` (seconds since 1970) the time that
    build backends shall use; ``extra`` are variables besides the user's; ``hint`` is what to try if it fails. Raises
    EnvironmentFailure; pip names the requirement that cannot be had.
    """
    env = {**root.user_environment(job), **(extra or {})}
    if epoch is not None:
        env.update({"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"})
    package = _program(interpreter, job)
    # Only pip is made visible: beside it are freezer's own modules and distributions.
    try:
        root.with_directory(package, "pip/pip").run(
            [python or interpreter.executable, "-I", package / RUNNER, command, *arguments],
            job,
            what=what,
            env=env,
            cwd=folder,
            error=EnvironmentFailure,
            hint=hint,
        )
    except EnvironmentFailure as error:
        if not NO_COMPILER.search("\n".join(tail(job.build_log.path, 60))):
            raise
        how = root.how_to_add("compiler", f"{interpreter.version[0]}.{interpreter.version[1]}")
        raise EnvironmentFailure(error.what, why=f"{error.why}\nno compiler was found", hint=how) from error


def make_venv(home: Path, root: BuildRoot, interpreter: Interpreter, job: Job) -> None:
    """Make a virtual environment without pip. Raises EnvironmentFailure if the interpreter lacks what that takes."""
    root.run(
        [interpreter.executable, "-I", "-m", "venv", "--without-pip", home],
        job,
        what=f"make a virtual environment of {interpreter.executable}",
        env=root.user_environment(job),
        cwd=job.work,
        error=EnvironmentFailure,
        hint=root.how_to_add("venv", f"{interpreter.version[0]}.{interpreter.version[1]}"),
    )


def _program(interpreter: Interpreter, job: Job) -> Path:
    """Return the package directory of a pip that supports the interpreter."""
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(supported_pythons()).contains(interpreter.version_text, prereleases=True):
        return own_package()
    version = f"{interpreter.version[0]}.{interpreter.version[1]}"
    home = job.cache / "env" / f"pip-{version}"
    with locked(job.cache / "env" / f"pip-{version}.lock"):
        if not home.is_dir():
            download = job.apart().work
            options = ["--no-deps", "--only-binary", ":all:", "--python-version", version, "--dest", str(download)]
            job.run(
                [tools.own_python(), "-I", "-m", "pip", "download", *options, "pip"],
                what=f"get a pip for Python {interpreter.version_text}",
                env={**tools.user_environment(), "TMPDIR": str(job.folder("tmp"))},
                error=EnvironmentFailure,
            )
            import zipfile

            with zipfile.ZipFile(next(download.glob("pip-*.whl"))) as wheel:
                wheel.extractall(download / "unpacked")
            os.rename(download / "unpacked", home)
    os.utime(home)
    return home / "pip"
