"""Namespaces of one's own: what is done in them stays there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support import PATIENCE, lacking

CODE = """
import os, sys
from freezer.base.isolation.mounts import keep_mounts_private, mount
from freezer.base.isolation.namespaces import enter_namespaces
from freezer.base.isolation.system import IsolationError, forked
before = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "ipc")}
try:
    enter_namespaces()
except IsolationError as error:
    sys.exit(f"cannot: {error}")
keep_mounts_private()
mount("tmpfs", sys.argv[1], "tmpfs", 0)
open(sys.argv[1] + "/inside", "w").close()
print(sum(os.readlink(f"/proc/self/ns/{name}") != old for name, old in before.items()), os.geteuid(), flush=True)
os.waitpid(forked(lambda: os.write(1, str(os.getpid()).encode())), 0)
"""


def test_mounts_and_processes_are_apart(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.stderr.startswith("cannot"):
        lacking(done.stderr)
    assert done.stderr == ""
    # A child is the first process of its namespace.
    assert done.stdout == "2 0\n1"
    assert os.listdir(tmp_path) == []
