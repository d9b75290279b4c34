"""The run that is learnt from."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.learn import command as module
from freezer.learn.command import command_environment, install_tools, run_command


def test_the_environments_programs_come_first(ground: Any) -> None:
    application = ground.application(search=(Path("/wheel"),))
    environ = {"PATH": "/usr/bin", "HOME": "/h", "PYTHONPATH": "/mine", "PYTHONHOME": "/x", "FREEZER_LEARNING": "1"}
    made = command_environment(environ, Path("/l/hook"), Path("/tools"), application, ground.environment)
    home = ground.home
    assert made == {
        "PATH": f"/wheel/bin:/l/bin:{home}/bin:/tools/bin:/usr/bin",
        "HOME": "/h",
        "VIRTUAL_ENV": str(home),
        "PYTHONPATH": "/l/hook:/wheel",
        "PYTHONNOUSERSITE": "1",
    }


def test_what_a_command_asks_for_is_noted(ground: Any, job: Job) -> None:
    (ground.home / "bin" / "python").symlink_to(sys.executable)
    ground.write(ground.app / "a.txt")
    ground.entry.write_text("import helper\nopen('a.txt').close()\nraise SystemExit(3)\n")
    ground.write(job.work / "learn" / "tools" / "helper.py")
    run = run_command(
        ("python", "app.py"), [ground.app], ground.application(), ground.environment, ground.app, job,
        environ=os.environ,
    )  # fmt: skip
    assert (run.status, run.stopped, run.facts.processes) == (3, False, 1)
    assert (str(ground.app / "a.txt"), 2) in {(fact.name, fact.line) for fact in run.facts.facts if fact.kind == "read"}
    # The environment, which others use, is as it was.
    assert [path.name for path in ground.packages.iterdir()] == []


def test_scripts_of_the_environment_start_its_python(ground: Any, job: Job) -> None:
    """They name the Python of a directory that is no longer there."""
    (ground.home / "bin" / "python").symlink_to(sys.executable)
    long = "#!/bin/sh\n'''exec' \"/gone/bin/python\" \"$0\" \"$@\"\n' '''\n"
    for name, start in (("short", "#!/gone/bin/python\n"), ("long", long)):
        ground.write(ground.home / "bin" / name, f"{start}import sys\nsys.exit(len(sys.argv))\n").chmod(0o755)
    ground.write(ground.home / "bin" / "activate", "# a text")
    for name in ("short", "long"):
        run = run_command(
            (name, "a b", "c"), [ground.app], ground.application(), ground.environment, ground.app, job,
            environ=os.environ,
        )  # fmt: skip
        assert run.status == 3
    assert sorted(path.name for path in (job.work / "learn" / "bin").iterdir()) == ["long", "short"]


def test_a_command_that_cannot_be_started(ground: Any, job: Job) -> None:
    with pytest.raises(InputError, match="no-such-command cannot be started"):
        run_command(
            ("no-such-command",), [ground.app], ground.application(), ground.environment, ground.app, job,
            environ=os.environ,
        )  # fmt: skip


def test_tools_are_installed_apart(ground: Any, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[Any]] = []
    monkeypatch.setattr(module, "pip", lambda _command, arguments, *_, **__: calls.append(arguments))
    made: Any = ground.grounds()._plan
    assert install_tools((), made, ground.environment, job) == job.work / "learn" / "tools"
    assert calls == []
    install_tools(("pytest", "pytest-xdist>=3"), made, ground.environment, job)
    assert calls == [["--target", job.work / "learn" / "tools", "--", "pytest", "pytest-xdist>=3"]]
