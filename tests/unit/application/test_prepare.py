"""What can be refused before the slow work is refused before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plans import plan
from support import compile_c

from freezer.application import prepare as module
from freezer.application.entry import Application
from freezer.application.prepare import prepare
from freezer.application.project import ProjectWheel
from freezer.base.errors import InputError, OutputError
from freezer.base.job import Job
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.system.host import Host


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    library = compile_c("int x;", tmp_path / "libpython3.11.so.1.0", "-shared", "-fPIC")
    return Interpreter(tmp_path / "python3", (3, 11, 2), tmp_path, library)


class Stages:
    """The stages that take long, with what they were given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, **project: Any) -> None:
        self.called: list[str] = []
        self.dependencies: tuple[str, ...] = ()
        self.name = "app"
        wheel = ProjectWheel(folder / "x.whl", "thing", ("six",), **project) if project else None
        monkeypatch.setattr(module, "build_wheel", lambda *_: (self.note("wheel"), wheel)[1])
        monkeypatch.setattr(module, "make_environment", self.make_environment)
        monkeypatch.setattr(module, "resolve_application", self.resolve_application)

    def note(self, stage: str) -> str:
        self.called.append(stage)
        return stage

    def make_environment(self, interpreter: Interpreter, root: Any, _plan: Any, dependencies: Any, _job: Any) -> Any:
        self.note("environment")
        self.dependencies = dependencies
        return Environment(
            interpreter.executable, interpreter, "key", True, root, Path("/toolchain"), Path("/analysis")
        )

    def resolve_application(self, plan: Any, *_: Any) -> Application:
        self.note("application")
        return Application(self.name, plan.entry.path, False, (), (), (), {}, None)


def test_in_order(here: Path, interpreter: Interpreter, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = Stages(monkeypatch, here)
    environment, application = prepare(plan(here, entry="app.py"), Host(), interpreter, job)
    assert stages.called == ["wheel", "environment", "application"]
    assert (environment.reused, application.name, stages.dependencies) == (True, "app", ())
    assert [stage.title for stage in job.log.timings.stages] == ["environment"]


def test_a_library_for_another_machine(
    here: Path, interpreter: Interpreter, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stages(monkeypatch, here)
    content = bytearray(interpreter.libpython.read_bytes())
    content[18:20] = (2).to_bytes(2, "little")  # EM_SPARC
    (here / "foreign.so").write_bytes(content)
    (here / "text.so").write_text("INPUT(other)")
    for name, words in (("foreign.so", "made for another machine"), ("text.so", "cannot be used as a library")):
        with pytest.raises(InputError, match=words):
            prepare(plan(here, entry="app.py", library=[name]), Host(), interpreter, job)
    assert stages.called == []


def test_scripts_are_chosen_before_the_environment(
    here: Path, interpreter: Interpreter, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "setup.py").touch()
    stages = Stages(monkeypatch, here, console_scripts=("a", "b"))
    with pytest.raises(InputError, match="several console scripts"):
        prepare(plan(here, entry="."), Host(), interpreter, job)
    assert stages.called == ["wheel"]
    prepare(plan(here, entry=".", console_script="b"), Host(), interpreter, job)
    assert stages.dependencies == ("six",)


def test_the_output_is_checked_once_the_name_is_known(
    here: Path, interpreter: Interpreter, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = Stages(monkeypatch, here)
    stages.name = "taken"
    (here / "dist" / "taken").mkdir(parents=True)
    with pytest.raises(OutputError, match="is a directory"):
        prepare(plan(here, entry="app.py"), Host(), interpreter, job)
