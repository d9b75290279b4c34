"""What is added after a failed run, what never is, and what is said of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Optional

import pytest
from furnishing import furnish
from plans import plan

from freezer.application.entry import Application
from freezer.application.ground import LARGEST
from freezer.base.job import Job
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.plan.build import Plan
from freezer.prove.judge import FailedRun
from freezer.prove.proof import Proof
from freezer.prove.repair import MOST, Repair, find_repair, repaired, with_repairs
from freezer.prove.strength import Strength
from freezer.system.host import Host

HEADER = 'Traceback (most recent call last):\n  File "app.py", line 1, in <module>\n'
FILES = (
    *("app.py", "helper.py", "plug/one.py", "plug/two.py", "whole/__init__.py", "whole/part.py", "README.md"),
    *("views/index.html", "views/more/x.html", ".env", "keys/id_rsa", "ignored.txt", "big.bin"),
)


def no_module(name: str) -> str:
    return f"{HEADER}ModuleNotFoundError: No module named '{name}'\n"


def no_file(name: str) -> str:
    return f"{HEADER}FileNotFoundError: [Errno 2] No such file or directory: '/tmp/staticx-abc/_internal/{name}'\n"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = furnish(tmp_path / "project", *FILES)
    (folder / "pyproject.toml").write_text("[tool.freezer]\n")
    (folder / ".gitignore").write_text("ignored.txt\n")
    (folder / ".git").mkdir()
    with open(folder / "big.bin", "wb") as file:
        file.truncate(LARGEST + 1)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    here = Path(sys.executable)
    return Environment(here, Interpreter(here, (3, 11, 2), tmp_path, tmp_path), "key", True, Host(), tmp_path, tmp_path)


def search(
    made: Plan, environment: Environment, job: Job, said: str, before: tuple[Repair, ...] = ()
) -> Optional[Repair]:
    """What is found to add after a run that printed this; None if the failure stays."""
    assert made.entry.path is not None
    application = Application("app", made.entry.path, False, (), (), (), {}, None)
    failure = FailedRun("app does not run", said=said)
    try:
        return find_repair(repaired(made, before), environment, application, failure, before, job)
    except FailedRun as error:
        assert error is failure
        return None


@pytest.mark.parametrize(
    ("said", "field", "option"),
    [
        (no_module("helper"), "hidden_imports", "--hidden-import helper"),
        (no_module("plug"), "hidden_imports", "--hidden-import plug --hidden-import plug.one --hidden-import plug.two"),
        (no_module("plug.two"), "hidden_imports", "--hidden-import plug.two"),
        (no_module("whole"), "hidden_imports", "--hidden-import whole --hidden-import whole.part"),
        (no_module("colorsys"), "hidden_imports", "--hidden-import colorsys"),
        (no_module("pluggy._hooks"), "hidden_imports", "--hidden-import pluggy._hooks"),
        (no_file("README.md"), "add_data", "--add-data README.md:."),
        (no_file("views/index.html"), "add_data", "--add-data views/index.html:views"),
        (no_file("views"), "add_data", "--add-data views:views"),
        (no_file("pluggy/py.typed"), "collect_all", "--collect-all pluggy"),
        (
            f"{HEADER}importlib.metadata.PackageNotFoundError: No package metadata was found for pluggy\n",
            "copy_metadata",
            "--copy-metadata pluggy",
        ),
    ],
)
def test_what_is_added(top: Path, environment: Environment, job: Job, said: str, field: str, option: str) -> None:
    made = plan(top, entry="app.py")
    found = search(made, environment, job, said)
    assert found is not None
    assert (found.field, found.option) == (field, option)
    assert getattr(repaired(made, (found,)), field) == found.values
    assert found.sentence in job.log.warnings
    assert found.sentence.endswith(f"was added; to add it from the start: {option}")
    # What did not help will not help again.
    assert search(made, environment, job, said, (found,)) is None


def test_where_it_is(top: Path, environment: Environment, job: Job) -> None:
    found = search(plan(top, entry="app.py"), environment, job, no_module("plug.one"))
    assert found is not None
    assert found.what == "the module plug.one (plug/one.py)"
    found = search(plan(top, entry="app.py"), environment, job, no_module("colorsys"))
    assert found is not None
    assert found.what == "the module colorsys"


@pytest.mark.parametrize(
    ("said", "arguments"),
    [
        ("nothing of this kind\n", {}),
        (no_module("no_such_module"), {}),
        (no_module("helper.part"), {}),
        (no_module("helper"), {"exclude": ["helper"]}),
        (no_module("plug.one"), {"exclude": ["plug"]}),
        (no_module("helper"), {"own": "none"}),
        (no_file("no_such_file"), {}),
        (no_file("."), {}),
        (no_file("../project/README.md"), {}),
        (no_file(".env"), {}),
        (no_file("keys"), {}),
        (no_file("keys/id_rsa"), {}),
        (no_file("ignored.txt"), {}),
        (no_file("big.bin"), {}),
        (no_file("views/index.html"), {"exclude_data": ["views"]}),
        (no_file("views"), {"exclude_data": ["views/more"]}),
        (no_file("README.md"), {"own": "code"}),
        (no_file("README.md"), {"own": "none"}),
        (no_file("pluggy/py.typed"), {"exclude": ["pluggy"]}),
        (f"{HEADER}importlib.metadata.PackageNotFoundError: No package metadata was found for nothing-here\n", {}),
    ],
)
def test_what_is_never_added(
    top: Path, environment: Environment, job: Job, said: str, arguments: dict[str, Any]
) -> None:
    assert search(plan(top, entry="app.py", **arguments), environment, job, said) is None
    assert job.log.warnings == []


def test_the_current_directory_has_nothing_of_an_installed_application(
    top: Path, environment: Environment, job: Job
) -> None:
    made = plan(top, console_script="app", **{"with": ["app"]})
    application = Application("app", top / "start.py", False, (), (), (), {}, None)
    for said in (no_module("helper"), no_file("README.md")):
        with pytest.raises(FailedRun):
            find_repair(made, environment, application, FailedRun("x", said=said), (), job)


def test_it_ends(top: Path, environment: Environment, job: Job) -> None:
    before = tuple(Repair("hidden_imports", (f"m{number}",), "", "") for number in range(MOST))
    assert search(plan(top, entry="app.py"), environment, job, no_module("helper"), before) is None
    assert search(plan(top, entry="app.py"), environment, job, no_module("helper"), before[1:]) is not None


def test_a_proof_says_what_was_added() -> None:
    proof = Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 3, (), ("a warning",))
    added = Repair("hidden_imports", ("x",), "the module x", "--hidden-import x")
    assert with_repairs(proof, ()) is proof
    assert with_repairs(None, (added,)) is None
    told = with_repairs(proof, (added,))
    assert told is not None and told.warnings == (added.sentence, "a warning")
