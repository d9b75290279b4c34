"""Options of the command line are values of a settings file, wherever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freezer.base.errors import InputError
from freezer.plan.image_settings import IMAGE_SETTINGS
from freezer.plan.settings import SETTINGS
from freezer.scaffold.proposed import ALONE, KEPT, OF_IMAGE, given_settings, python_in_file, refuse_changes

GIVEN: dict[str, Any] = {
    "entry": "app.py",
    "name": "app",
    "requirement": ["r.txt", "/etc/r.txt", "~/r.txt"],
    "with": ["rich"],
    "python": "3.12",
    "chroot": "debian:bookworm",
    "add_data": ["data:x", "/abs:y", ":odd"],
    "output": "bin/app",
    "strip": False,
    "verify": "require",
    "smoke": [{"args": "--version"}, {"args": "x", "stdin": "@in.txt", "expect": ["a"], "status": None}],
    "smoke_timeout": 30,
    "image": "out/app.tar",
    "tag": ["app:1"],
    "add_file": ["conf:/etc/conf"],
    "refresh": True,
    "jobs": 3,
    "unknown": "x",
    "ci": None,
}


def test_in_the_same_directory(tmp_path: Path) -> None:
    assert given_settings(GIVEN, tmp_path, tmp_path) == {
        "name": "app",
        "requirement": ["r.txt", "/etc/r.txt", "~/r.txt"],
        "with": ["rich"],
        "python": "3.12",
        "chroot": "debian:bookworm",
        "add-data": ["data:x", "/abs:y", ":odd"],
        "output": "bin/app",
        "strip": False,
        "verify": "require",
        "smoke": [{"args": "--version"}, {"args": "x", "stdin": "@in.txt", "expect": "a"}],
        "smoke-timeout": 30,
        "image": {"output": "out/app.tar", "tag": ["app:1"], "add-file": ["conf:/etc/conf"]},
    }


def test_in_another_directory(tmp_path: Path) -> None:
    given = {**GIVEN, "python": "./venv/bin/python", "chroot": "root/", "sbom": "-"}
    found = given_settings(given, tmp_path, tmp_path / "project")
    assert found["requirement"] == ["../r.txt", "/etc/r.txt", "~/r.txt"]
    assert found["add-data"] == ["../data:x", "/abs:y", ":odd"]
    assert (found["output"], found["python"], found["chroot"]) == ("../bin/app", "../venv/bin/python", "../root")
    assert found["smoke"][1]["stdin"] == "@../in.txt"
    assert found["image"]["output"] == "../out/app.tar"
    assert found["image"]["add-file"] == ["../conf:/etc/conf"]
    assert found["sbom"] == "-"


def test_a_single_run_is_a_text(tmp_path: Path) -> None:
    assert given_settings({"smoke": [{"args": "-V"}]}, tmp_path, tmp_path) == {"smoke": "-V"}


def test_every_setting_is_written_or_is_about_one_run() -> None:
    assert {setting.name for setting in (*KEPT, *OF_IMAGE)} | set(ALONE) == {
        setting.name for setting in (*SETTINGS, *IMAGE_SETTINGS)
    }


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.12.4\n", "3.12"),
        ("# comment\n\n3.11\n3.9\n", "3.11"),
        ("cpython-3.13.1\n", "3.13"),
        ("python3.10", "3.10"),
        ("system\n", None),
        ("pypy3.10-7.3\n", None),
        ("3\n", None),
        ("", None),
    ],
)
def test_the_file_of_pyenv_and_uv(tmp_path: Path, text: str, version: str | None) -> None:
    assert python_in_file(tmp_path) is None
    (tmp_path / ".python-version").write_text(text)
    assert python_in_file(tmp_path) == version


def test_what_would_change() -> None:
    existing = {"name": "x", "image": {"port": ["80"]}}
    refuse_changes({"name": "x", "image": {"port": ["80"]}}, existing, Path("p"))
    refuse_changes({}, existing, Path("p"))
    refuse_changes({"tzdata": True, "image": {"port": ["80"], "tag": ["a"]}}, existing, Path("p"))
    with pytest.raises(InputError, match=r"p has settings already, and name, entry, image\.port would change"):
        refuse_changes({"name": "y", "entry": "app.py", "image": {"port": ["81"]}}, existing, Path("p"))
