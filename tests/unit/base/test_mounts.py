"""Mounts of one's own: what is bound where, and what can be written there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE, lacking

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


def inside(top: Path, code: str) -> Any:
    """What a process in namespaces of its own finds out; ``code`` prints JSON."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code, str(top)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.stderr.startswith("cannot"):
        lacking(done.stderr)
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("source", "target", "root"):
        (tmp_path / name).mkdir()
    (tmp_path / "source" / "file").write_text("content")
    return tmp_path


def test_bound_directories(top: Path) -> None:
    code = """
bind(f"{top}/source", f"{top}/target", MS_RDONLY)
print(json.dumps([open(f"{top}/target/file").read(), writable(f"{top}/target/file"), writable(f"{top}/source/file")]))
"""
    assert inside(top, code) == ["content", False, True]
    assert list((top / "target").iterdir()) == []


def test_bound_files(top: Path) -> None:
    code = """
open(f"{top}/target/it", "w").close()
bind(f"{top}/source/file", f"{top}/target/it", MS_RDONLY)
print(json.dumps([open(f"{top}/target/it").read(), writable(f"{top}/target/it")]))
"""
    assert inside(top, code) == ["content", False]
    assert (top / "target" / "it").read_text() == ""


def test_a_mount_that_is_refused_is_named(top: Path) -> None:
    code = """
try:
    mount("none", f"{top}/no/such", "tmpfs", 0)
except IsolationError as error:
    print(json.dumps([str(error), error.code == errno.ENOENT]))
"""
    text, is_code = inside(top, code)
    assert text == f"mount none on {top}/no/such: No such file or directory"
    assert is_code


def test_another_root(top: Path) -> None:
    code = """
bind(f"{top}/source", f"{top}/root", 0)
notes = enter_root(f"{top}/root")
print(json.dumps([notes, os.listdir("/"), os.getcwd(), os.path.exists(top)]))
"""
    notes, names, folder, old = inside(top, code)
    assert (names, folder, old) == (["file"], "/", False)
    assert notes == [] or "chroot" in notes[0]
