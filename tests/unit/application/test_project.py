"""A project's wheel: what it says of the distribution, and which of its scripts is meant."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path
from typing import Optional

import pytest

from freezer.application.project import ProjectWheel, choose_script, read_wheel
from freezer.base.errors import InputError
from freezer.plan.resolve import resolve


def make_wheel(folder: Path, entry_points: Optional[str] = None) -> Path:
    path = folder / "the_thing-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("the_thing/__init__.py", "")
        archive.writestr(
            "the_thing-1.2.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: The-Thing\nVersion: 1.2\nRequires-Dist: click>=8\n"
            "Requires-Dist: rich; extra == 'x'\n\nRequires-Dist: not this\n",
        )
        if entry_points is not None:
            archive.writestr("the_thing-1.2.dist-info/entry_points.txt", entry_points)
    return path


def test_read_wheel(tmp_path: Path) -> None:
    wheel = read_wheel(
        make_wheel(tmp_path, "[console_scripts]\nB-b = a:b\na = a:c\n[gui_scripts]\nG = a:d\n[x]\ny = z:z\n")
    )
    assert wheel.distribution == "The-Thing"
    assert wheel.dependencies == ("click>=8", "rich; extra == 'x'")
    assert wheel.console_scripts == ("B-b", "G", "a")
    assert read_wheel(make_wheel(tmp_path)).console_scripts == ()


def test_choose_script(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("")
    plan = resolve({"entry": "."}, folder=tmp_path, environ={})
    wheel = ProjectWheel(tmp_path / "x.whl", "thing", (), ("one",))
    two = dataclasses.replace(wheel, console_scripts=("one", "two"))
    assert choose_script(plan, None) is None
    assert choose_script(plan, wheel) == "one"
    with pytest.raises(InputError, match="several console scripts") as caught:
        choose_script(plan, two)
    assert caught.value.hint == "-c one\n-c two"
    with pytest.raises(InputError, match="has no console script"):
        choose_script(plan, dataclasses.replace(wheel, console_scripts=()))
    chosen = resolve({"entry": ".", "console_script": "two"}, folder=tmp_path, environ={})
    assert choose_script(chosen, two) == "two"
    with pytest.raises(InputError, match="'two'"):
        choose_script(chosen, wheel)
    function = resolve({"entry": ".", "entry_point": "a:b"}, folder=tmp_path, environ={})
    assert choose_script(function, two) is None
