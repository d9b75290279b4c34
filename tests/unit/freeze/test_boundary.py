"""Where a main script is divided for memory snapshots, and that its parts do what it does."""

from __future__ import annotations

import ast
import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
boundary: Any = importlib.import_module("boundary")
del sys.path[0]

SCRIPT = '''\
"""What it is."""
from __future__ import annotations
import json, os
from os import path as place
try:
    import nowhere_at_all
    FOUND = True
except ImportError:
    nowhere_at_all = None


class Thing:
    name: Unheard


"""Not what it is."""
def fail():
    raise ValueError(place.join("a", "b"))
'''


def parts_of(folder: Path, text: str, optimize: int = 0, saved: Sequence[str] = ()) -> list[Any]:
    path = folder / "script.py"
    path.write_text(text)
    return list(boundary.divided(str(path), [], saved, optimize).values())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("print()", 0),
        ("import os\nprint()\nimport sys", 1),
        ("'text'\nimport os\n'text'\nimport sys", 2),
        ("import os\nX = 1\nimport sys", 1),
        ("try:\n  import a\nexcept ImportError:\n  import b\n  c = None\nimport d", 2),
        ("try:\n  import a\nexcept ImportError:\n  a = find()\nimport d", 0),
        ("try:\n  import a\nexcept ImportError:\n  pass\nelse:\n  run()\nimport d", 0),
        ("try:\n  import a\nfinally:\n  run()\nimport d", 0),
        ("if True:\n  import a", 0),
        ("import a; import b; run()", 2),
    ],
)
def test_boundary(text: str, count: int) -> None:
    assert boundary.boundary(ast.parse(text).body) == count


def test_parts_do_what_the_script_does(tmp_path: Path) -> None:
    text = SCRIPT.replace("    FOUND = True\n", "")
    whole: dict[str, Any] = {"__name__": "script"}
    exec(compile(text, str(tmp_path / "script.py"), "exec", dont_inherit=True), whole)
    before, behind = parts_of(tmp_path, text)
    divided: dict[str, Any] = {"__name__": "script"}
    exec(before, divided)
    assert "Thing" not in divided and divided["__doc__"] == "What it is."
    exec(behind, divided)
    assert divided.keys() == whole.keys()
    assert divided["__doc__"] == "What it is."
    assert divided["nowhere_at_all"] is None
    # What is imported from __future__ holds for the rest.
    assert divided["Thing"].__annotations__ == {"name": "Unheard"}
    with pytest.raises(ValueError, match="a/b") as raised:
        divided["fail"]()
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (last.filename, last.lineno, last.line) == (
        str(tmp_path / "script.py"),
        text.count("\n"),
        'raise ValueError(place.join("a", "b"))',
    )


def test_a_script_without_imports_begins_behind_its_boundary(tmp_path: Path) -> None:
    before, behind = parts_of(tmp_path, "value = 1\nassert value == 2\n", optimize=1)
    names: dict[str, Any] = {}
    exec(before, names)
    assert "value" not in names
    exec(behind, names)
    assert names["value"] == 1


def test_what_is_imported_for_the_snapshot(tmp_path: Path) -> None:
    """Behind the script's own imports; it names nothing, and the script's lines are as they were."""
    (tmp_path / "noted.py").write_text("import seen\nseen.modules.append(__name__)\n")
    (tmp_path / "seen.py").write_text("modules = []\n")
    text = '"""What it is."""\nfrom __future__ import annotations\nimport seen\nseen.modules.append("main")\n'
    before, behind = parts_of(tmp_path, text, saved=["noted"])
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        for name in ("seen", "noted"):
            patch.delitem(sys.modules, name, raising=False)
        exec(before, names)
        assert names["seen"].modules == ["noted"]
        exec(behind, names)
        assert names["seen"].modules == ["noted", "main"]
    assert "noted" not in names
    assert names["__doc__"] == "What it is."


def test_the_main_module_of_a_package_is_divided(tmp_path: Path) -> None:
    script, module = tmp_path / "_freezer_package.py", tmp_path / "__main__.py"
    script.write_text('if __name__ == "__main__":\n    MODULE = "pkg.__main__"\nelse:\n    import pkg.__main__\n')
    module.write_text("from . import other\nother.run()\n")
    modules = [("pkg.__main__", str(module), "PYMODULE"), ("pkg", None, "PYMODULE")]
    assert boundary.source_of(str(module), modules) == str(module)
    assert boundary.source_of(str(script), modules) == str(module)
    assert boundary.source_of(str(script), []) is None
    parts = boundary.divided(str(module), [], [], 0)
    assert "other" in parts[boundary.BEFORE].co_names
    assert "run" in parts[boundary.BEHIND].co_names


@pytest.mark.parametrize(
    ("text", "behind", "count"),
    [
        ("import a\nimport b.c\nimport d", "b", 1),
        ("import a\nimport b.c\nimport d", "b.c", 1),
        ("import a\nimport bc\nimport b", "b", 2),
        ("import a\nimport b\nimport b.c.d", "b.c", 2),
        ("import a\nfrom b import c", "b.c", 1),
        ("import a\nfrom b import d", "b.c", 2),
        ("import a\ntry:\n  import b\nexcept ImportError:\n  b = None", "b", 1),
        ("from . import a\nfrom . import c\nfrom .d import e", "pkg.c", 1),
        ("from . import a\nfrom . import c\nfrom .d import e", "pkg.d", 2),
        ("from . import a\nfrom . import c\nfrom .d import e", "pkg.f", 3),
    ],
)
def test_the_boundary_is_before_modules_that_are_to_be_behind_it(text: str, behind: str, count: int) -> None:
    assert boundary.boundary(ast.parse(text).body, (behind,)) == count
