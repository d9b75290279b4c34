"""The scans that are made before any application is analysed: of what, and into which memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from freezer.freeze.drivers import DRIVERS

CODE = """
import json, sys
sys.path.insert(0, {drivers!r})
import modulegraph_internals, scan_library
for name in ("list_base_packages", "remember_scans", "scan"):
    setattr(modulegraph_internals, name, lambda *given, name=name: seen.append((name, *given)))
seen = []
scan_library.main()
print(json.dumps([seen[2][1], [item[0] for item in seen], seen[1][1]._folder]))
"""


def test_most_of_the_standard_library_is_scanned(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE.format(drivers=str(DRIVERS)), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names, calls, folder = json.loads(done.stdout)
    assert calls == ["list_base_packages", "remember_scans", "scan"]
    assert folder == str(tmp_path)
    assert {"asyncio", "argparse", "json", "logging", "sqlite3", "email"} <= set(names)
    assert not {"test", "idlelib", "tkinter", "antigravity"} & set(names)
    assert names == sorted(names)
