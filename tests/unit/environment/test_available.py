"""What the build environment has, found without running it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from furnishing import furnish

from freezer.base.job import Job
from freezer.environment.available import find_available
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.system.host import Host

FILES = ("one.py", "whole/__init__.py", "whole/part.py", "whole/data/x.json", "loose/deep/part.py", "bad/__init__.py")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    here = Path(sys.executable)
    return Environment(here, Interpreter(here, (3, 11, 2), tmp_path, tmp_path), "key", True, Host(), tmp_path, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return furnish(tmp_path / "sources", *FILES)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("one", "one.py"),
        ("whole", "whole/__init__.py"),
        ("whole.part", "whole/part.py"),
        ("loose", "loose"),
        ("loose.deep.part", "loose/deep/part.py"),
        ("whole.other", None),
        ("one.part", None),
        ("other", None),
        ("other.part", None),
    ],
)
def test_modules(environment: Environment, folder: Path, job: Job, name: str, place: str | None) -> None:
    """None of these is run: what is in the files is no Python."""
    found = find_available(environment, job, search=[folder], module=name)
    assert found.module == (None if place is None else folder / place)
    assert not found.is_built_in


def test_modules_of_python_itself(environment: Environment, job: Job) -> None:
    assert find_available(environment, job, module="sys").is_built_in
    place = find_available(environment, job, module="json.decoder").module
    assert place is not None and place.name == "decoder.py"


def test_files(environment: Environment, folder: Path, job: Job) -> None:
    found = find_available(environment, job, search=[folder], file="whole/data/x.json")
    assert found.file == folder / "whole/data/x.json"
    assert find_available(environment, job, search=[folder], file="whole/data/y.json").file is None
    pytest_file = find_available(environment, job, file="pytest/__init__.py").file
    assert pytest_file is not None and pytest_file.is_file()


def test_distributions(environment: Environment, job: Job) -> None:
    assert find_available(environment, job, distribution="PyTest").distribution == "pytest"
    assert find_available(environment, job, distribution="no-such-thing").distribution is None
