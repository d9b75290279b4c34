"""Code that is run in namespaces of its own, where it may mount."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import NOBODY, PATIENCE, lacking, need_root

import freezer
from freezer.base import beneath, dismantle, errors, isolation, places, shortage

HEAD = """
import errno, json, os, sys
from freezer.base.isolation.mounts import *
from freezer.base.isolation.namespaces import enter_namespaces
from freezer.base.isolation.system import IsolationError
try:
    enter_namespaces()
    keep_mounts_private()
except IsolationError as error:
    sys.exit(f"cannot: {error}")
top = sys.argv[1]
def writable(path):
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        return True
    except OSError:
        return False
"""


class User(NamedTuple):
    """Somebody who calls a program that isolates: arguments of subprocess, and a Python that they may execute."""

    options: dict[str, Any]
    python: str
    ordinary: bool


USERS = ("root", "ordinary user")


def user_called(name: str) -> User:
    """One of ``USERS``."""
    if os.geteuid() != 0:
        if name == "root":
            need_root()
        return User({}, sys.executable, ordinary=True)
    if name == "root":
        return User({}, sys.executable, ordinary=False)
    options: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            subprocess.run([python, "-I", "-S", "-c", ""], check=True, **options)
        except (OSError, subprocess.CalledProcessError):
            continue
        return User(options, python, ordinary=True)
    pytest.fail("no Python that an ordinary user may execute")


def inside(top: Path, code: str) -> Any:
    """What a process in namespaces of its own finds out; ``code`` prints JSON."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code, str(top)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.stderr.startswith("cannot"):
        lacking(done.stderr)
    assert done.stderr == ""
    return json.loads(done.stdout)


def copy_program(program: str, package: Path) -> list[str]:
    """Copy a program of a package with what it stands on, and nothing else of freezer, since it must do without; return
    a Python's arguments to start it."""
    top = Path(freezer.__file__).parent
    own = top.joinpath(*program.split(".")[1:-1])
    for folder in (own, isolation.START.parent):
        place = package / folder.relative_to(top)
        shutil.copytree(folder, place, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(folder.parent / "__init__.py", place.parent)
    for module in (beneath, dismantle, errors, places, shortage):
        shutil.copy(str(module.__file__), package / "base")
    shutil.copy(freezer.__file__, package)
    for path in (package, *package.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return arguments_of(program, package)


def arguments_of(program: str, package: Path) -> list[str]:
    """A Python's arguments to start a program that was copied."""
    start = isolation.START.relative_to(Path(freezer.__file__).parent)
    return ["-I", "-S", str(package / start), program]
