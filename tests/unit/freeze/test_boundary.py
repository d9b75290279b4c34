"""Where the imports of a main script end, for snapshots, and that its code with a mark there does what it does."""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
import traceback
from pathlib import Path
from typing import Any, Optional

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


def run_marked(folder: Path, text: str, optimize: int = 0, at_mark: Optional[list[Any]] = None) -> dict[str, Any]:
    """Run code that is marked; return its names, and put those that it had at the mark into a list."""
    path = folder / "script.py"
    path.write_text(text)
    names: dict[str, Any] = {"__name__": "script"}

    def mark() -> None:
        frame = sys._getframe(1)
        if at_mark is not None:
            at_mark.extend(({**names}, frame.f_lineno))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "_freezer_boundary", mark, raising=False)
        exec(boundary.marked(str(path), optimize), names)
    return names


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


def test_it_does_what_the_script_does(tmp_path: Path) -> None:
    text = SCRIPT.replace("    FOUND = True\n", "")
    whole: dict[str, Any] = {"__name__": "script"}
    exec(compile(text, str(tmp_path / "script.py"), "exec", dont_inherit=True), whole)
    at_mark: list[Any] = []
    names = run_marked(tmp_path, text, at_mark=at_mark)
    before, line = at_mark
    assert "json" in before and "nowhere_at_all" in before and "Thing" not in before
    assert line == text.splitlines().index("class Thing:") + 1
    assert names.keys() == whole.keys()
    assert names["__doc__"] == "What it is."
    assert names["nowhere_at_all"] is None
    # What is imported from __future__ holds behind the mark, too.
    assert names["Thing"].__annotations__ == {"name": "Unheard"}
    with pytest.raises(ValueError, match="a/b") as raised:
        names["fail"]()
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (last.filename, last.lineno, last.line) == (
        str(tmp_path / "script.py"),
        text.count("\n"),
        'raise ValueError(place.join("a", "b"))',
    )


@pytest.mark.parametrize("text", ["", "value = 1\nassert value == 2\n", '"""Text."""\n', "import sys\n"])
def test_scripts_of_which_one_part_is_empty(tmp_path: Path, text: str) -> None:
    at_mark: list[Any] = []
    names = run_marked(tmp_path, text, optimize=1, at_mark=at_mark)
    assert "value" not in at_mark[0]
    assert ("value" in names) == ("value" in text)
    assert ("sys" in at_mark[0]) == ("sys" in text)


def test_the_main_module_of_a_package_is_marked(tmp_path: Path) -> None:
    script, module = tmp_path / "_freezer_package.py", tmp_path / "__main__.py"
    script.write_text('if __name__ == "__main__":\n    MODULE = "pkg.__main__"\nelse:\n    import pkg.__main__\n')
    module.write_text("from . import other\nother.run()\n")
    modules = [("pkg.__main__", str(module), "PYMODULE"), ("pkg", None, "PYMODULE")]
    assert boundary.source_of(str(module), modules) == str(module)
    assert boundary.source_of(str(script), modules) == str(module)
    assert boundary.source_of(str(script), []) is None
