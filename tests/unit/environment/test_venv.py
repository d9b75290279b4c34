"""Interpreters found and described; environments named by all that decides their content."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.base.errors import InputError
from freezer.environment.interpreter import Interpreter, find_libpython
from freezer.environment.venv import environment_key
from freezer.plan import requirements
from freezer.plan.build import Plan
from freezer.plan.requirements import requirements_state, tree_signature
from freezer.plan.resolve import resolve
from freezer.system.host import Host
from freezer.system.locate import locate_interpreter


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


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


def test_find_libpython(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.environment.interpreter.loader_directories", lambda *_: [tmp_path / "system"])
    facts: dict[str, object] = {
        "library": "libpython3.99.so.1.0",
        "directories": [str(tmp_path / "lib")],
        "executable": "/x",
    }
    assert find_libpython(facts, Host()) is None
    for folder in ("system", "lib"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "libpython3.99.so.1.0").write_text("")
        assert find_libpython(facts, Host()) == tmp_path / folder / "libpython3.99.so.1.0"


# The key


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    path = program(tmp_path / "py/bin/python3")
    return Interpreter(path, (3, 11, 2), tmp_path / "py", tmp_path / "py/lib/libpython.so")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "local" / "build").mkdir(parents=True)
    for name, text in (
        ("app.py", ""), ("r.txt", "-r more.txt\n./local  # ours\n--hash 'odd\n"), ("more.txt", "six\n-c c.txt\n"),
        ("c.txt", "six<2\n"), ("local/setup.py", ""), ("local/build/product", ""), ("unrelated", ""),
    ):  # fmt: skip
        (folder / name).write_text(text)
    return folder


def plan(site: Path, **arguments: Any) -> Plan:
    return resolve({"entry": "app.py", "requirement": ["r.txt"], **arguments}, folder=site, environ={})


def test_the_key_is_stable(interpreter: Interpreter, site: Path) -> None:
    key = environment_key(interpreter, Host(), plan(site), ())
    assert len(key) == 24
    (site / "app.py").write_text("changed = 1\n")
    (site / "unrelated").write_text("x")
    (site / "local" / "build" / "product").write_text("x")
    other = plan(site, strip=True, hidden_import=["x"], name="y", refresh=True)
    assert environment_key(interpreter, Host(), other, ()) == key


@pytest.mark.parametrize("name", ["r.txt", "more.txt", "c.txt", "local/setup.py"])
def test_a_change_of_a_requirement_changes_the_key(interpreter: Interpreter, site: Path, name: str) -> None:
    key = environment_key(interpreter, Host(), plan(site), ())
    with open(site / name, "a") as file:
        file.write("# more\n")
    assert environment_key(interpreter, Host(), plan(site), ()) != key


def test_other_inputs_change_the_key(interpreter: Interpreter, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = environment_key(interpreter, Host(), plan(site), ())
    keys = {
        base,
        environment_key(interpreter, Host(), plan(site), ("click",)),
        environment_key(interpreter, Host(), plan(site, require_hashes=True), ()),
        environment_key(interpreter, Host(), plan(site, **{"with": ["six"]}), ()),
        environment_key(interpreter, Host(), plan(site, **{"with": ["six", "x"]}), ()),
        environment_key(dataclasses.replace(interpreter, version=(3, 11, 3)), Host(), plan(site), ()),
    }
    os.utime(interpreter.executable, (1, 1))
    keys.add(environment_key(interpreter, Host(), plan(site), ()))
    monkeypatch.setattr("freezer.environment.venv.toolchain_versions", lambda: {"pyinstaller": "99"})
    keys.add(environment_key(interpreter, Host(), plan(site), ()))
    assert len(keys) == 8


def test_a_local_package_given_by_its_path(interpreter: Interpreter, site: Path) -> None:
    arguments = {"with": ["./local[extra]"]}
    before = environment_key(interpreter, Host(), plan(site, **arguments), ())
    (site / "local" / "setup.py").write_text("changed = 1\n")
    assert environment_key(interpreter, Host(), plan(site, **arguments), ()) != before


def test_requirements_that_include_each_other(site: Path) -> None:
    (site / "more.txt").write_text("-r r.txt\n")
    assert requirements_state(plan(site))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("-r a.txt", [(True, "a.txt")]),
        ("-ra.txt", [(True, "a.txt")]),
        ("--requirement=a.txt", [(True, "a.txt")]),
        ("--constraint a.txt", [(True, "a.txt")]),
        ("./local[x]", [(False, "./local")]),
        ("-e ./local", [(False, "./local")]),
        ("six==1", []),
        ("--index-url https://example.invalid/simple", []),
    ],
)
def test_including(line: str, found: list[tuple[bool, str]]) -> None:
    assert list(requirements._including(line.split())) == found


@given(st.text())
def test_any_line_is_looked_at_without_failing(line: str) -> None:
    if requirements._parsable(line):
        list(requirements._including(line.split()))


def test_tree_signature(tmp_path: Path) -> None:
    for name in ("b/x", "a", ".git/x", "x.egg-info/y", "__pycache__/z"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "dangling").symlink_to("nothing")
    names = [str(Path(name).relative_to(tmp_path)) for name, _, _ in tree_signature(tmp_path)]
    assert names == ["a", "dangling", "b/x"]
    assert tree_signature(tmp_path / "a")[0][:2] == (str(tmp_path / "a"), 0)
