"""Running pip, under the user's own configuration of it: index, proxy, certificates.

pip runs outside the environments it installs into (``pip --python``): freezer's own pip, or, for an interpreter that it
does not support any more, one that does, kept in the cache in an environment of its own.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import Optional

from packaging.specifiers import SpecifierSet

from freezer import tools
from freezer.errors import EnvironmentFailure
from freezer.interpreter import Interpreter
from freezer.log import Log
from freezer.workspace import Workspace, locked


def pip(
    command: str,
    arguments: list[str],
    *,
    interpreter: Interpreter,
    python: Optional[Path] = None,
    what: str,
    folder: Path,
    epoch: Optional[int] = None,
    log: Log,
    space: Workspace,
) -> None:
    """Run one pip command ("install", "wheel") for ``python``, by default the interpreter itself.

    ``folder`` is what relative paths in requirements are relative to; ``epoch`` (seconds since 1970) the time that
    build backends shall use. Raises EnvironmentFailure; pip names the requirement that cannot be had.
    """
    env = tools.user_environment()
    if epoch is not None:
        env.update({"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"})
    tools.run(
        [
            *_program(interpreter, log=log, space=space),
            "--python",
            python or interpreter.executable,
            command,
            *arguments,
        ],
        log=log,
        build_log=space.build_log,
        what=what,
        env=env,
        cwd=folder,
        hold=space.held,
        error=EnvironmentFailure,
        hint="check the requirement's name and version, and pip's index and network (pip config list)",
    )


def make_venv(home: Path, interpreter: Interpreter, *, with_pip: bool, log: Log, space: Workspace) -> None:
    """Make a virtual environment. Raises EnvironmentFailure if the interpreter lacks what that takes."""
    options = [] if with_pip else ["--without-pip"]
    version = f"{interpreter.version[0]}.{interpreter.version[1]}"
    tools.run(
        [interpreter.executable, "-I", "-m", "venv", *options, home],
        log=log,
        build_log=space.build_log,
        what=f"make a virtual environment of {interpreter.executable}",
        env=tools.user_environment(),
        cwd=space.work,
        hold=space.held,
        error=EnvironmentFailure,
        hint=f"Debian, Ubuntu: apt-get install python{version}-venv",
    )


def _program(interpreter: Interpreter, *, log: Log, space: Workspace) -> list[str | Path]:
    supported = importlib.metadata.metadata("pip")["Requires-Python"]
    if SpecifierSet(supported).contains(interpreter.version_text, prereleases=True):
        # Isolated: no module in the current directory, where relative requirements start, is taken for pip's.
        return [tools.own_python(), "-I", "-m", "pip"]
    name = hashlib.sha256(f"{interpreter.executable} {interpreter.version_text}".encode()).hexdigest()[:24]
    home = space.cache / "env" / f"pip-{name}"
    with locked(space.cache / "env" / f"pip-{name}.lock"):
        if not home.is_dir():
            aside = space.work / "pip"
            make_venv(aside, interpreter, with_pip=True, log=log, space=space)
            tools.run(
                [aside / "bin" / "python", "-I", "-m", "pip", "install", "--upgrade", "pip"],
                log=log,
                build_log=space.build_log,
                what=f"install a pip for Python {interpreter.version_text}",
                env=tools.user_environment(),
                cwd=space.work,
                hold=space.held,
                error=EnvironmentFailure,
            )
            os.rename(aside, home)
    return [home / "bin" / "python", "-I", "-m", "pip"]
