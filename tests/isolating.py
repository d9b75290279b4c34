"""Code that is run in namespaces of its own, where it may mount."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

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
