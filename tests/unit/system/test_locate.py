"""Which Python a build uses: by version, by path, or freezer's own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from plans import plan
from support import program_script as program
from support import without_home

from freezer.base.errors import InputError
from freezer.system.locate import locate_interpreter


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with some Pythons of pyenv and uv, and a PATH with none."""
    for version in ("3.9.18", "3.12.1", "3.12.10", "3.1.5", "3.13.0"):
        program(tmp_path / ".pyenv/versions" / version / "bin/python")
    for version in ("3.12.11", "3.14.0"):
        program(tmp_path / ".local/share/uv/python" / f"cpython-{version}-linux-x86_64-gnu" / "bin/python3")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_freezers_own() -> None:
    assert locate_interpreter(None).exists()
    assert locate_interpreter(None).resolve() == Path(sys.executable).resolve()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("3.9", ".pyenv/versions/3.9.18/bin/python"),
        ("python3.13", ".pyenv/versions/3.13.0/bin/python"),
        ("3.12.1", ".pyenv/versions/3.12.1/bin/python"),
        ("3.12.10", ".pyenv/versions/3.12.10/bin/python"),
        ("3.1", ".pyenv/versions/3.1.5/bin/python"),
        ("3.12", ".local/share/uv/python/cpython-3.12.11-linux-x86_64-gnu/bin/python3"),
        ("cpython-3.14", ".local/share/uv/python/cpython-3.14.0-linux-x86_64-gnu/bin/python3"),
    ],
)
def test_by_version(home: Path, wanted: str, found: str) -> None:
    assert locate_interpreter(wanted) == home / found


def test_on_path_comes_first(home: Path) -> None:
    own = program(home / "bin/python3.12")
    assert locate_interpreter("3.12") == own
    assert locate_interpreter("python3.12") == own
    assert locate_interpreter("3.12.1") == home / ".pyenv/versions/3.12.1/bin/python"


def test_by_path(home: Path) -> None:
    path = program(home / "venv/bin/python3")
    assert locate_interpreter(str(path)) == locate_interpreter(str(home / "venv")) == path


@pytest.mark.parametrize("wanted", ["3.8", "3.12.2", "2", "nonsense", "./no", "/no/such", "3.12.1.1"])
def test_not_there(home: Path, wanted: str) -> None:
    with pytest.raises(InputError, match="--python"):
        locate_interpreter(wanted)


def test_a_home_directory_in_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = program(tmp_path / "x" / "bin" / "python3")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate_interpreter("~/x") == python
    assert plan(tmp_path, entry_point="os:getcwd", python="~/x", **{"with": ["six"]}).python == str(tmp_path / "x")


def test_a_user_without_a_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    without_home(monkeypatch)
    with pytest.raises(InputError, match="no such interpreter"):
        locate_interpreter("3.1")
