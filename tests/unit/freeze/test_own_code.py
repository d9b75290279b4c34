"""The code of modules, made without PyInstaller: what it would make, in a file, with the shapes of the sources."""

from __future__ import annotations

import json
import marshal
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from freezer.freeze.drivers import DRIVERS
from freezer.freeze.drivers.freeze_messages import WAYS


def asked(files: dict[str, dict[str, list[str]]], out: Path, optimize: int = 0) -> Any:
    request = {"files": files, "groups": [], "optimize": optimize, "out": str(out)}
    done = subprocess.run(
        [sys.executable, "-I", "-S", DRIVERS / "own_code.py"],
        input=json.dumps(request),
        capture_output=True,
        check=True,
        text=True,
    )
    return json.loads(done.stdout)["files"]


def code_at(out: Path, place: list[int]) -> CodeType:
    offset, size = place
    found: CodeType = marshal.loads(out.read_bytes()[offset : offset + size])
    return found


@pytest.mark.parametrize("way", WAYS)
def test_the_code_runs_under_its_place(tmp_path: Path, way: str) -> None:
    source = tmp_path / "pkg" / "__init__.py"
    source.parent.mkdir()
    source.write_text("def f():\n    'doc'\n    assert False\n    return [i for i in 'ab']\nX = f.__doc__\n")
    found = asked({str(source): {"pkg": [way], "other.name": [way]}}, tmp_path / "out")[str(source)]
    for module, place in (("pkg", "pkg/__init__.py"), ("other.name", "other/name/__init__.py")):
        code = code_at(tmp_path / "out", found["code"][module][way])
        assert code.co_filename == place
        inner = [item for item in code.co_consts if isinstance(item, CodeType)]
        assert inner and all(item.co_filename == place for item in inner)
    names: dict[str, Any] = {}
    exec(code_at(tmp_path / "out", found["code"]["pkg"][way]), names)
    assert names["X"] == "doc"


def test_the_level_of_optimization(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("'doc'\nassert False\n")
    found = asked({str(source): {"a": ["compiled"]}}, tmp_path / "out", optimize=2)[str(source)]
    names: dict[str, Any] = {}
    exec(code_at(tmp_path / "out", found["code"]["a"]["compiled"]), names)
    assert names.get("__doc__") is None


def test_what_cannot_be_compiled_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def")
    (tmp_path / "zero.py").write_bytes(b"\0")
    (tmp_path / "good.py").write_text("x = 1")
    files: dict[str, dict[str, list[str]]] = {
        str(tmp_path / name): {} for name in ("bad.py", "zero.py", "gone.py", "good.py")
    }
    found = asked(files, tmp_path / "out")
    assert {Path(path).name: item is None for path, item in found.items()} == {
        "bad.py": True,
        "zero.py": True,
        "gone.py": True,
        "good.py": False,
    }


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    """Also in another process that has used the same names for something else."""
    source = tmp_path / "a.py"
    source.write_text("import json\ndumps = json.dumps\nfor shape_of in dumps('marshal'): groups = (shape_of, 'out')\n")
    outs = []
    for name in ("one", "two"):
        asked({str(source): {"a": list(WAYS)}}, tmp_path / name)
        outs.append((tmp_path / name).read_bytes())
    assert outs[0] == outs[1]
