"""Which modules can be imported, whatever they do meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support import PATIENCE

from freezer.freeze.drivers import DRIVERS


def importable(search: Path, *names: str) -> list[str]:
    request = json.dumps({"names": names, "search": [str(search)]})
    words = [sys.executable, "-I", str(DRIVERS / "try_imports.py")]
    done = subprocess.run(words, input=request, capture_output=True, text=True, timeout=PATIENCE, check=True)
    answer: list[str] = json.loads(done.stdout)
    return answer


def test_what_can_be_imported(tmp_path: Path) -> None:
    """By a file, or by a name that a package has set."""
    (tmp_path / "named.py").write_text("import sys, json\nsys.modules['named.other'] = json\n__path__ = []\n")
    (tmp_path / "loud.py").write_text("print('[]')\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "breaks.py").write_text("1 / 0\n")
    names = ("named.other", "named.no", "loud", "leaves", "breaks", "collections.abc", "os.path", "no_such_module")
    assert importable(tmp_path, *names) == ["named.other", "loud", "collections.abc", "os.path"]


def test_what_is_imported_does_not_keep_the_process(tmp_path: Path) -> None:
    (tmp_path / "stays.py").write_text(
        "import atexit, threading, time\n"
        "threading.Thread(target=time.sleep, args=(3600,)).start()\n"
        "atexit.register(time.sleep, 3600)\n"
    )
    assert importable(tmp_path, "stays") == ["stays"]
