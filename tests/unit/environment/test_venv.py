"""The build environment's key: equal for equal input, and only then."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from plans import plan_with_requirements as plan
from support import program_script as program

from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import environment_key
from freezer.system.host import Host


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    path = program(tmp_path / "py/bin/python3")
    return Interpreter(path, (3, 11, 2), tmp_path / "py", tmp_path / "py/lib/libpython.so")


def test_the_key_is_stable(interpreter: Interpreter, site: Path) -> None:
    key = environment_key(interpreter, Host(), plan(site), ())
    assert len(key) == 24
    (site / "app.py").write_text("changed = 1\n")
    (site / "unrelated").write_text("x")
    (site / "local" / "build" / "lib" / "product").write_text("x")
    other = plan(site, strip=True, hidden_import=["x"], name="y", refresh=True)
    assert environment_key(interpreter, Host(), other, ()) == key


@pytest.mark.parametrize("name", ["r.txt", "more.txt", "c.txt", "local/setup.py"])
def test_a_change_of_a_requirement_changes_the_key(interpreter: Interpreter, site: Path, name: str) -> None:
    key = environment_key(interpreter, Host(), plan(site), ())
    with open(site / name, "a") as file:
        file.write("# more\n")
    assert environment_key(interpreter, Host(), plan(site), ()) != key


def test_other_inputs_change_the_key(interpreter: Interpreter, site: Path) -> None:
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
    assert len(keys) == 7


def test_a_local_package_given_by_its_path(interpreter: Interpreter, site: Path) -> None:
    arguments = {"with": ["./local[extra]"]}
    before = environment_key(interpreter, Host(), plan(site, **arguments), ())
    (site / "local" / "setup.py").write_text("changed = 1\n")
    assert environment_key(interpreter, Host(), plan(site, **arguments), ()) != before
