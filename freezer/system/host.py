"""The host as the system to build in."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Optional

from freezer.base import tools
from freezer.base.errors import FreezerError, ToolError
from freezer.base.job import Completed, Job
from freezer.system.buildroot import BuildRoot
from freezer.system.locate import locate_interpreter


class Host(BuildRoot):
    """The host itself: paths are the same inside and outside, pip has the user's configuration."""

    path = Path("/")

    def inside(self, path: Path) -> str:
        """Return the path itself."""
        return str(path)

    def outside(self, path: str) -> Path:
        """Return the path itself."""
        return Path(path)

    def is_writable(self, path: Path) -> bool:
        """Tell whether the user may write into a directory."""
        return os.access(path, os.W_OK | os.X_OK)

    def with_directory(self, _path: Path, _name: str, *, writable: bool = False) -> BuildRoot:
        """Return the same system: everything is visible already."""
        return self

    def state(self) -> list[object]:
        """Return nothing: an environment depends on the host only through the key of its interpreter."""
        return []

    def locate(self, wanted: Optional[str]) -> Path:
        """Find the Python to build with. Raises InputError, EnvironmentFailure if there is none."""
        return locate_interpreter(wanted)

    def how_to_add(self, what: str, version: str) -> str:
        """Return the hint for a missing "venv", "libpython" or "compiler", for Python ``version``."""
        package = {"venv": f"python{version}-venv", "libpython": f"libpython{version}"}.get(
            what, f"g++ python{version}-dev"
        )
        return f"Debian, Ubuntu:  apt-get install {package}"

    def user_environment(self, job: Job) -> dict[str, str]:
        """Return the variables for pip, which honours the user's configuration: index, proxy, certificates."""
        return {**tools.user_environment(), "TMPDIR": str(job.folder("tmp"))}

    def run(
        self,
        argv: Sequence[str | Path],
        job: Job,
        *,
        env: Mapping[str, str],
        cwd: Path,
        what: str,
        stdin: Optional[str] = None,
        capture: bool = False,
        on_line: Optional[Callable[[str], bool]] = None,
        error: type[FreezerError] = ToolError,
        hint: Optional[str] = None,
    ) -> Completed:
        """Run a program in the system, as ``Job.run`` does; ``argv[0]`` and all other paths are the host's."""
        return job.run(
            argv, env=env, cwd=cwd, what=what, stdin=stdin, capture=capture, on_line=on_line, error=error, hint=hint
        )
