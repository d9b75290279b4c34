"""Find the Python to build with on the host: by path, by name, or by version, on PATH and in pyenv's and uv's
directories."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Optional

from freezer.base.errors import InputError
from freezer.base.places import is_file, is_folder
from freezer.base.tools import user_home


def locate_interpreter(wanted: Optional[str]) -> Path:
    """Turn ``--python`` into an executable: a path, a name on PATH, or a version, searched on PATH and in the usual
    places of pyenv and uv. None means the interpreter that freezer itself was installed with.

    Raises InputError if there is none.
    """
    if wanted is None:
        return Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)
    if os.sep in wanted:
        path = Path(os.path.abspath(os.path.expanduser(wanted)))
        if is_folder(path):
            path = path / "bin" / "python3"
        if not (is_file(path) and os.access(path, os.X_OK)):
            raise InputError(f"--python {wanted}: no such executable")
        return path
    match = re.fullmatch(r"(?:python|cpython-)?(\d+(?:\.\d+){0,2})", wanted)
    candidates = [] if match is None else _installed_versions(match.group(1))
    found = next(iter(candidates), None) or shutil.which(wanted)
    if found is None:
        raise InputError(
            f"--python {wanted}: no such interpreter",
            why="it is neither a path, nor on PATH, nor a version that pyenv or uv has installed",
            hint="give the path of the interpreter: --python /path/to/bin/python3",
        )
    return Path(found)


def _installed_versions(version: str) -> list[str]:
    on_path = shutil.which("python" + ".".join(version.split(".")[:2]))
    home = user_home() or Path("/nonexistent")
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", home / ".local/share/uv/python"))
    managed = [*pyenv.glob(f"{version}*/bin/python"), *uv.glob(f"cpython-{version}*/bin/python3")]
    exact = re.compile(r"(?:cpython-)?" + re.escape(version) + r"(?![0-9])")
    ordered = sorted((path for path in managed if exact.match(path.parts[-3])), key=_version_key, reverse=True)
    versions = [str(path) for path in ordered]
    if on_path is None or version.count(".") == 2:
        return versions
    # pyenv has a shim for every version, even if the version is not active; so prefer the versions themselves.
    return [*versions, on_path] if Path(on_path).parent.name == "shims" else [on_path, *versions]


def _version_key(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", path.parts[-3])[:3])
