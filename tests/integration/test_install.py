"""Installing freezer from its sources where there is no compiler: one comes from the index for that time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import CHECKOUT, PATIENCE

PROGRAMS = ("env", "sh", "objcopy", "strip", "git")
"""What may be on PATH: what freezer runs, and no compiler."""


def checkout_copy(folder: Path) -> Path:
    """The files of the checkout that git would have, without what was built in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=CHECKOUT, capture_output=True,
        check=True,
    )  # fmt: skip
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, folder / name)
    return folder


def test_without_a_compiler(tmp_path: Path) -> None:
    sources = checkout_copy(tmp_path / "sources")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found is not None, f"{name} is not on PATH"
        (programs / name).symlink_to(found)
    environment = {**os.environ, "PATH": str(programs), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("CC", None)
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", str(sources)]
    subprocess.run(wheel, cwd=tmp_path, env=environment, check=True, timeout=PATIENCE)
    (made,) = tmp_path.glob("*.whl")
    # By pip: where in the wheel the files are depends on the setuptools that made it.
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    installed = tmp_path / "installed"
    subprocess.run([*install, "--target", str(installed), str(made)], cwd=tmp_path, env=environment, check=True)
    for name in ("start.so", "filter.so"):
        assert (installed / "freezer" / "link" / "launcher" / "bin" / name).is_file()
    # Beside the requirements that the tests are installed with.
    environment["PYTHONPATH"] = str(installed)
    (tmp_path / "app.py").write_text("import sys\nprint('started', sys.argv[1:])\n")
    command = [sys.executable, *"-m freezer build app.py -o app --linker staticx --smoke x".split()]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=PATIENCE)
    done = subprocess.run([tmp_path / "app", "y"], env={}, capture_output=True, text=True, check=True)
    assert done.stdout == "started ['y']\n"
