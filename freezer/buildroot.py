"""The system that a build happens in: the host, or another root that the host's tools enter.

All paths in freezer are the host's. The stages that run the build environment's Python run it through here, and hand
over paths as ``Path``; what they become inside is known here alone. So the stages are the same for every system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Optional

from freezer import tools
from freezer.errors import FreezerError, ToolError
from freezer.locate import locate_interpreter
from freezer.log import Log
from freezer.workspace import Workspace


class BuildRoot:
    """The host itself: paths are the same inside and outside, pip has the user's configuration."""

    path: Path
    """The file system that libraries, locales and terminal descriptions come from."""

    def __init__(self) -> None:
        self.path = Path("/")

    def inside(self, path: Path) -> str:
        """What a path of the host's is called inside. Raises ValueError for one that is not there."""
        return str(path)

    def outside(self, path: str) -> Path:
        """Where the host has what is called ``path`` inside."""
        return Path(path)

    def seeing(self, _path: Path, _name: str) -> BuildRoot:
        """The same, with one more directory of the host's to be seen inside; ``_name`` decides where."""
        return self

    def state(self) -> list[object]:
        """What changes when the system does; part of the key of every environment made in it."""
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

    def user_environment(self, _space: Workspace) -> dict[str, str]:
        """The variables for pip, which honours the user's configuration: index, proxy, certificates."""
        return tools.user_environment()

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        cwd: Path,
        what: str,
        log: Log,
        space: Workspace,
        stdin: Optional[str] = None,
        capture: bool = False,
        on_line: Optional[Callable[[str], bool]] = None,
        error: type[FreezerError] = ToolError,
        hint: Optional[str] = None,
    ) -> tools.Completed:
        """Run a program in the system, as ``tools.run`` does; ``argv[0]`` and all other paths are the host's."""
        return tools.run(
            argv,
            env=env,
            cwd=cwd,
            what=what,
            log=log,
            build_log=space.build_log,
            hold=space.held,
            stdin=stdin,
            capture=capture,
            on_line=on_line,
            error=error,
            hint=hint,
        )

    def clean_environment(
        self, space: Workspace, *, epoch: int, extra: Optional[Mapping[str, str]] = None
    ) -> dict[str, str]:
        """The variables for tools whose output becomes part of the result: nothing of the user's gets in."""
        home, temporary = (Path(self.inside(space.folder(name))) for name in ("home", "tmp"))
        return tools.clean_environment(home=home, temporary=temporary, epoch=epoch, extra=extra)
