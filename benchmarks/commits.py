"""Other commits of freezer, installed to build samples with them. They need the same dependencies as the Python that
runs this, and the toolchain in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
EPOCH = "1600000000"


def install(commit: str, folder: Path) -> Path:
    """Install a commit, with the programs that it compiles, and return the directory to import it from."""
    clone, target = folder / "clone", folder / "installed"
    run("git", "clone", "--quiet", CHECKOUT, clone)
    run("git", "-C", clone, "checkout", "--quiet", run("git", "-C", CHECKOUT, "rev-parse", commit).strip())
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, clone)
    return target


def build(freezer: Path, source: Path, entry: str, options: tuple[str, ...], place: Path) -> list[Path]:
    """Build a copy of a sample's directory anew below ``place``, and return the results: an executable, and an image if
    the options name ``image.tar``."""
    run("cp", "-R", source, place / "sample")
    command = [sys.executable, "-m", "freezer", "build", entry, "-o", "../app", "--no-verify", "--quiet"]
    command += [word.replace("image.tar", "../image.tar") for word in options]
    variables = {"PYTHONPATH": str(freezer), "XDG_CACHE_HOME": f"{place}/cache", "SOURCE_DATE_EPOCH": EPOCH}
    run(*command, cwd=place / "sample", env={**os.environ, **variables})
    return [path for path in (place / "app", place / "image.tar") if path.exists()]


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program, and return what it printed. Ends this one with its message if it fails."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout
