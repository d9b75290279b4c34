"""The run that is learnt from: a command of the user's, in the build environment, in which every Python takes notes.

What takes the notes is copied to a directory of the job's own, which PYTHONPATH names: the environment, which other
builds share, stays as it is. Programs that only the command needs, such as a test runner, are installed beside it.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freezer.application.entry import Application
from freezer.base.foreground import run_foreground
from freezer.base.job import Job
from freezer.environment.pip import pip
from freezer.environment.venv import Environment
from freezer.learn.drivers import DRIVERS
from freezer.learn.facts import Facts, read_facts
from freezer.learn.opens import Opens, unannounced
from freezer.plan.build import Plan

PROGRAMS = ("sitecustomize.py", "_freezer_notes.py", "_freezer_watch.py")
HEAD = 512
"""Bytes of a script in which pip has named its Python: directly, or for a long path in a line for sh."""
DROPPED = ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONPATH", "FREEZER_LEARNING")
"""Variables that decide which code Python runs: a build does not see them, either."""


@dataclass(frozen=True)
class CommandRun:
    """A finished run: its status as subprocess counts it, whether the user has stopped it, when it began, in ns since
    1970, what was noted, and how the kernel has told which files were opened."""

    status: int
    stopped: bool
    began: int
    facts: Facts
    opens: Opens


def install_tools(requirements: Sequence[str], plan: Plan, environment: Environment, job: Job) -> Path:
    """Install what only the command needs, and return the directory. Raises EnvironmentFailure if pip fails."""
    folder = job.folder("learn") / "tools"
    if requirements:
        with job.step("tools") as step:
            pip(
                "install",
                ["--target", folder, "--", *requirements],
                job,
                root=environment.root,
                interpreter=environment.interpreter,
                python=environment.python,
                what="install the tools of the command",
                folder=plan.folder,
            )
            step.result = ", ".join(requirements)
    return folder


def run_command(
    command: Sequence[str],
    roots: Sequence[Path],
    application: Application,
    environment: Environment,
    folder: Path,
    job: Job,
    *,
    environ: Mapping[str, str],
) -> CommandRun:
    """Run a command in ``folder``, with the variables of ``environ``; what is below ``roots`` is noted. Raises
    InputError if it cannot be started."""
    hook, notes = job.folder("learn/hook"), job.folder("learn/notes")
    for name in PROGRAMS:
        shutil.copyfile(DRIVERS / name, hook / name)
    (notes / "roots").write_bytes(b"\0".join(os.path.join(os.fsencode(path), b"") for path in roots))
    write_programs(environment, job.folder("learn/bin"))
    variables = command_environment(environ, hook, job.work / "learn" / "tools", application, environment)
    job.log.line(f"running {' '.join(command)}")
    opens = Opens(roots)
    began = time.time_ns()
    try:
        status, stopped = run_foreground(command, env=variables, cwd=folder)
    finally:
        opened = opens.stop()
    facts = read_facts(notes)
    facts = dataclasses.replace(facts, facts=(*facts.facts, *unannounced(opened, facts)))
    return CommandRun(status, stopped, began, facts, opens)


def write_programs(environment: Environment, folder: Path) -> None:
    """Write a program to start each script of the environment: these name the Python of the directory that the
    environment was made in, and was moved from."""
    for script in sorted(environment.python.parent.iterdir()):
        if not script.is_file() or script.is_symlink():
            continue
        with open(script, "rb") as file:
            start = file.read(HEAD)
        if start.startswith(b"#!") and b"/bin/python" in start:
            words = f"{shlex.quote(str(environment.python))} {shlex.quote(str(script))}"
            (folder / script.name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            (folder / script.name).chmod(0o755)


def command_environment(
    environ: Mapping[str, str], hook: Path, tools: Path, application: Application, environment: Environment
) -> dict[str, str]:
    """Return the user's variables with the build environment in front: its programs, and the project's."""
    home = environment.python.parent.parent
    own = hook.parent / "bin"
    kept = {name: value for name, value in environ.items() if name not in DROPPED}
    programs = [*(path / "bin" for path in application.search), own, home / "bin", tools / "bin"]
    return {
        **kept,
        "PATH": os.pathsep.join([*map(str, programs), kept.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(home),
        "PYTHONPATH": os.pathsep.join(map(str, (hook, *application.search))),
        "PYTHONNOUSERSITE": "1",
    }
