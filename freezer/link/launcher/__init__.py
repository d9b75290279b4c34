"""What of the native linker is in C: the launcher in front of every executable, the library that starts what it
unpacked, and the filter for code.

They are compiled when freezer is installed (``build.py``). The library is needed for every executable, the launcher for
those that are linked natively; an installation may lack the latter.
"""

from __future__ import annotations

from pathlib import Path

from freezer.base.errors import EnvironmentFailure

BIN = Path(__file__).resolve().parent / "bin"


def launcher_path() -> Path:
    """The compiled launcher; raises EnvironmentFailure if this installation has none."""
    return _built("launcher")


def starter_path() -> Path:
    """The library that makes an interpreter start an application; raises EnvironmentFailure as ``launcher_path``."""
    return _built("start.so")


def filter_path() -> Path:
    """The library that filters code; raises EnvironmentFailure as ``launcher_path``."""
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
