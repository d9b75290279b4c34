"""Settings from files: pyproject.toml and setup.cfg, and every mistake in them named."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.errors import InputError
from freezer.plan.settings_file import read_settings


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder


def test_no_file(tmp_path: Path) -> None:
    assert read_settings(tmp_path).values == {}
    assert read_settings(tmp_path).path is None


def test_pyproject(tmp_path: Path) -> None:
    write(
        tmp_path,
        "pyproject.toml",
        "[tool.freezer]\nentry = 'a.py'\nrequirement = ['r.txt', '/abs.txt']\nadd-data = ['d:e']\nstrip = true\n"
        "verify = false\nsmoke = '--version'\nsmoke-status = 3\nhidden-import = ['x.y']\nwith = ['six']\n"
        "pyinstaller-args = ['--log-level=WARN']\npython = '3.12'\npython-options = ['-u', '-X utf8']\n",
    )
    found = read_settings(tmp_path)
    assert found.path == tmp_path / "pyproject.toml"
    assert found.values == {
        "entry": str(tmp_path / "a.py"),
        "requirement": [str(tmp_path / "r.txt"), "/abs.txt"],
        "add_data": [str(tmp_path / "d:e")],
        "strip": True,
        "verify": False,
        "smoke": "--version",
        "smoke_status": 3,
        "hidden_import": ["x.y"],
        "with": ["six"],
        "pyinstaller_args": ["--log-level=WARN"],
        "python": "3.12",
        "python_option": ["-u", "-X utf8"],
    }


def test_setup_cfg(tmp_path: Path) -> None:
    write(
        tmp_path,
        "setup.cfg",
        "[metadata]\nname = x\n[freezer]\nhidden-import =\n    a\n    b.c\n\nsmoke_status = 4\nstrip = yes\n"
        "locale = off\nname = 50%\noutput = out/app\n",
    )
    assert read_settings(tmp_path).values == {
        "hidden_import": ["a", "b.c"],
        "smoke_status": 4,
        "strip": True,
        "locale": False,
        "name": "50%",
        "output": str(tmp_path / "out/app"),
    }


def test_pyproject_without_settings_gives_way_to_setup_cfg(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "[project]\nname = 'x'\n")
    write(tmp_path, "setup.cfg", "[freezer]\nname = y\n")
    assert read_settings(tmp_path).values == {"name": "y"}
    write(tmp_path, "pyproject.toml", "[tool.freezer]\n")
    assert read_settings(tmp_path).values == {}


def test_a_python_by_its_path_is_relative_to_the_file(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "[tool.freezer]\npython = '.venv/bin/python'\n")
    assert read_settings(tmp_path).values == {"python": str(tmp_path / ".venv/bin/python")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tool]\nfreezer = 3\n", ("must be a table",)),
        ("[tool.freezer]\nnmae = 'x'\n", ("'nmae'", "[tool.freezer]")),
        ("[tool.freezer]\nstrip = 1\n", ("strip", "true or false", "1")),
        ("[tool.freezer]\nsmoke-status = true\n", ("smoke-status", "a whole number")),
        ("[tool.freezer]\nsmoke-status = -1\n", ("smoke-status", "a whole number")),
        ("[tool.freezer]\nwith = 'six'\n", ("with", "a list of strings")),
        ("[tool.freezer]\nwith = [1]\n", ("with", "a list of strings")),
        ("[tool.freezer]\nname = ['x']\n", ("name", "a string")),
        ("[tool.freezer]\nname = \n", ("cannot read",)),
    ],
)
def test_bad_pyproject(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    write(tmp_path, "pyproject.toml", text)
    with pytest.raises(InputError) as caught:
        read_settings(tmp_path)
    assert str(tmp_path / "pyproject.toml") in caught.value.what
    assert all(word in caught.value.render() for word in words)


@pytest.mark.parametrize(
    "text", ["[freezer]\nstrip = perhaps\n", "[freezer]\nsmoke-status = x\n", "[freezer]\nwrong = 1\n", "freezer\n"]
)
def test_bad_setup_cfg(tmp_path: Path, text: str) -> None:
    write(tmp_path, "setup.cfg", text)
    with pytest.raises(InputError, match=r"setup\.cfg"):
        read_settings(tmp_path)


def test_not_text(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "setup.cfg"):
        (tmp_path / name).write_bytes(b"\xff\xfe[tool")
        with pytest.raises(InputError, match="cannot read"):
            read_settings(tmp_path)
        (tmp_path / name).unlink()


def test_the_nearest_key_is_named(tmp_path: Path) -> None:
    for wrong, right in (("hidden_imports", "hidden-import"), ("smoke-args", "smoke"), ("add-datas", "add-data")):
        write(tmp_path, "pyproject.toml", f"[tool.freezer]\n{wrong} = 1\n")
        with pytest.raises(InputError) as caught:
            read_settings(tmp_path)
        assert right in (caught.value.hint or "")
