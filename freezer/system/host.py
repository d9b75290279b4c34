"""The host as the system to build in."""

from __future__ import annotations

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
        """The path itself."""
        return str(path)

    def outside(self, path: str) -> Path:
        """The path itself."""
        return Path(path)

    def seeing(self, _path: Path, _name: str) -> BuildRoot:
        """The same, as everything is seen already."""
        return self

    def state(self) -> list[object]:
        """Nothing: what an environment takes of the host is in its interpreter's own key."""
        return []

    def locate(self, wanted: Optional[str]) -> Path:
        """The Python to build with. Raises InputError, EnvironmentFailure if there is none."""
        return locate_interpreter(wanted)

    def how_to_add(self, what: str, version: str) -> str:
        """What to do when the system lacks something: "venv", "libpython" or a "compiler", for Python ``version``."""
        package = {"venv": f"python{version}-venv", "libpython": f"libpython{version}"}.get(
            what, f"g++ python{version}-dev"
        )
        return f"Debian, Ubuntu:  apt-get install {package}"

    def user_environment(self, _job: Job) -> dict[str, str]:
        """The variables for pip, which honours the user's configuration: index, proxy, certificates."""
        return tools.user_environment()

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
