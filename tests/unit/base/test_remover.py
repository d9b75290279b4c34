"""The program that removes what belongs to users of a user namespace."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support import PATIENCE, lacking, need_root

from freezer.base.isolation import REMOVER, command_of


def test_the_remover(tmp_path: Path) -> None:
    """A program of its own: without site-packages, and without freezer on the search path."""
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "file").touch()
    command = command_of(REMOVER, tree)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd="/")
    if "IsolationError" in done.stderr:
        lacking(done.stderr)
    assert (done.returncode, done.stderr) == (0, "")
    assert not tree.exists()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd="/")
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr


def test_files_of_others_go_too(tmp_path: Path) -> None:
    need_root()
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").touch()
    for path in (tree / "file", tree):
        os.chown(path, 12321, 12321)
    subprocess.run(command_of(REMOVER, tree), check=True, timeout=PATIENCE, cwd="/")
    assert not tree.exists()
