"""What takes the place of ``site``, against Python's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE

import freezer.freeze.runtime

RUNTIME = Path(freezer.freeze.runtime.__file__).parent
# Both are the module as an application sees it; the rest of the runtime has no part in these functions.
CODE = """
import json, os, sys, traceback, types
if sys.argv[1] == "ours":
    native = types.ModuleType("_freezer_native")
    native.prepare_application = native.prepare_interpreter = lambda: None
    runner = types.ModuleType("_freezer_runner")
    runner.Quitter, runner.install = str, lambda prepare: None
    sys.modules.update(_freezer_native=native, _freezer_runner=runner)
    sys.path.insert(0, sys.argv[2])
    import _freezer_site as site
    del sys.path[0]
else:
    import site
os.chdir(sys.argv[3])
sys.path[:] = ["one", "two", os.path.abspath("one"), "one/../two"]
given = {"/known"}
found = [eval(sys.argv[4])]
print(json.dumps([found, sys.path, sorted(given), sys.modules.get("made", 0)], default=sorted))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with plugins, as a program keeps them, and files that say where more are."""
    for folder in ("one", "two", "plugins/below", "plugins/more", "other"):
        (tmp_path / folder).mkdir(parents=True)
    plugins = tmp_path / "plugins"
    (plugins / "b.pth").write_text("# a comment\n\nbelow\nnowhere\n../other  \nbelow\n")
    (plugins / "a.pth").write_text("import sys; sys.modules['made'] = 5\nmore\n")
    (plugins / "c.pth").write_text("import nothing_of_that_name\nbelow/never\n")
    (plugins / "d.txt").write_text("../two\n")
    (plugins / "e.pth").write_bytes(b"\xef\xbb\xbf../other\n")
    return tmp_path


@pytest.mark.parametrize(
    "code",
    [
        "site.addsitedir('plugins')",
        "site.addsitedir('plugins', given)",
        "site.addsitedir('one')",
        "site.addsitedir('nowhere')",
        "site.addpackage('plugins', 'b.pth', None)",
        "site.addpackage('plugins', 'b.pth', given)",
        "site.addpackage('plugins', 'nowhere.pth', given)",
        "site.removeduppaths()",
        "site.makepath('plugins', '..', 'x')",
        "site.getsitepackages()[:0]",
        "site.check_enableusersite() in (True, False, None)",
    ],
)
def test_as_pythons(place: Path, code: str) -> None:
    seen = []
    for which in ("ours", "pythons"):
        command = [sys.executable, "-s", "-c", CODE, which, str(RUNTIME), str(place), code]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        complaint = [line for line in done.stderr.splitlines() if line.startswith(("Error", "Remainder"))]
        seen.append((json.loads(done.stdout), complaint))
    assert seen[0] == seen[1]
    assert os.listdir(place / "plugins")
