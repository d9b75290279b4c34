"""The parts of executables in C: the launcher in front of those that are linked natively, the library that starts the
unpacked application, the init that process 1 becomes where there is no launcher, the library that saves an application
as a memory snapshot, and the filter for code.

They are compiled when freezer is installed (``build.py``). Every executable needs the library; an installation may lack
the launcher and the init.
"""

from __future__ import annotations

from pathlib import Path

from freezer.base.errors import EnvironmentFailure

BIN = Path(__file__).resolve().parent / "bin"


def launcher_path() -> Path:
    """Return the compiled launcher; raises EnvironmentFailure if this installation has none."""
    return _built("launcher")


def starter_path() -> Path:
    """Return the library that makes an interpreter start an application; raises as ``launcher_path`` does."""
    return _built("start.so")


def saver_path() -> Path:
    """Return the library that saves an application as a memory snapshot; raises as ``launcher_path`` does."""
    return _built("save.so")


def init_path() -> Path:
    """Return the program of the init; raises as ``launcher_path`` does."""
    return _built("freezer-init")


def filter_path() -> Path:
    """Return the library that filters code; raises as ``launcher_path`` does."""
    return _built("filter.so")


def _built(name: str) -> Path:
    path = BIN / name
    if not path.is_file():
        raise EnvironmentFailure(
            f"this installation of freezer has no {name}",
            why=f"{path} does not exist: it could not be compiled when freezer was installed",
            hint="install gcc, libc6-dev and libzstd-dev (or musl-tools and libzstd-dev), then reinstall freezer",
        )
    return path
