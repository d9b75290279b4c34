"""The interface of the system that a build runs in: the host, or another root that the host's tools enter.

All paths in freezer are the host's. Stages run the build environment's Python through this interface, and pass paths as
``Path``; only this interface knows the paths inside. So the stages are the same for every system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Optional, Protocol

from freezer.base import tools
from freezer.base.errors import FreezerError, ToolError
from freezer.base.job import Completed, Job


class BuildRoot(Protocol):
    """A system to build in."""

    path: Path
    """The file system that libraries, locales and terminal descriptions come from."""

    def inside(self, path: Path) -> str:
        """Return the path inside for a path of the host. Raises ValueError if it is not visible there."""

    def outside(self, path: str) -> Path:
        """Return the host's path for a path inside."""

    def is_writable(self, path: Path) -> bool:
        """Tell whether tools inside may write into a directory of the host."""

    def with_directory(self, path: Path, name: str, *, writable: bool = False) -> BuildRoot:
        """Return the same system with one more directory of the host visible inside; ``name`` decides its place,
        and ``writable`` whether tools may write there."""

    def state(self) -> list[object]:
        """Return values that change with the system; they are part of the key of every environment made in it."""

    def locate(self, wanted: Optional[str]) -> Path:
        """Find the Python to build with. Raises InputError, EnvironmentFailure if there is none."""

    def how_to_add(self, what: str, version: str) -> str:
        """Return the hint for a missing "venv", "libpython" or "compiler", for Python ``version``."""

    def user_environment(self, job: Job) -> dict[str, str]:
        """Return the variables for pip, which honours the user's configuration: index, proxy, certificates."""

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

    def clean_environment(self, job: Job, *, epoch: int, extra: Optional[Mapping[str, str]] = None) -> dict[str, str]:
        """Return the variables for tools whose output becomes part of the result, without any of the user's."""
        home, temporary = (Path(self.inside(job.folder(name))) for name in ("home", "tmp"))
        return tools.clean_environment(home=home, temporary=temporary, epoch=epoch, extra=extra)
