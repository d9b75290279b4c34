"""Spec files as people have them for PyInstaller, made for one file or for one directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import Freezer, Run

ONE_FILE = """
a = Analysis(["app.py"], datas=[("data.txt", "part")])
a.datas += [("link.txt", "part/data.txt", "SYMLINK")]
pyz = PYZ(a.pure)
exe = EXE(pyz, a.scripts, a.binaries, a.datas, name="another", strip=True)
"""
ONE_DIRECTORY = """
a = Analysis(["app.py"], datas=[("data.txt", "part")])
a.datas += [("link.txt", "part/data.txt", "SYMLINK")]
pyz = PYZ(a.pure)
exe = EXE(pyz, a.scripts, exclude_binaries=True, name="another")
COLLECT(exe, a.binaries, a.datas, name="others")
"""
LOOSE_MODULES = ONE_DIRECTORY.replace('["app.py"], ', '["app.py"], noarchive=True, ')
SEVERAL = (
    LOOSE_MODULES
    + """
b = Analysis(["other.py"])
MERGE((a, "another", "another"), (b, "other", "other"))
EXE(PYZ(b.pure), b.scripts, b.binaries, b.datas, name="other")
"""
)
WITH_ARGUMENTS = "import sys\n" + ONE_FILE.replace('("data.txt", "part")', '("data.txt", sys.argv[2])')


@pytest.mark.parametrize(
    ("spec", "arguments"),
    [(WITH_ARGUMENTS, ["--", "--", "--name", "part"]), (ONE_DIRECTORY, []), (SEVERAL, ["--name", "another"])],
    ids=["one file, with arguments", "one directory", "loose modules, and another program"],
)
def test_spec(
    freezer: Freezer, tmp_path: Path, spec: str, arguments: list[str], run_in_empty_root: Callable[..., Run]
) -> None:
    """Links beside the program must not make one file of it again, which would unpack itself at each start."""
    (tmp_path / "data.txt").write_text("the data")
    (tmp_path / "app.py").write_text(
        "import pathlib, sys\nplace = pathlib.Path(sys._MEIPASS)\nprint(place.name, (place / 'link.txt').read_text())\n"
    )
    (tmp_path / "other.py").write_text("print(1)\n")
    (tmp_path / "app.spec").write_text(spec)
    built = freezer("build", "app.spec", *arguments, cwd=tmp_path)
    assert run_in_empty_root(built.output).stdout == "_internal the data\n"
