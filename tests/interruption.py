"""Builds that are interrupted at a chosen moment, shared by the tests of builds on the host and in other roots."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import PATIENCE, Freezer, kill_group, processes_with, wait_until

INTERRUPTED, OUTPUT = 130, 7
PREVIOUS = "\x7fELF, the previous output"
SLEEPER = "import sys, time\nprint('up', flush=True)\nif sys.argv[1:] != ['quick']:\n    time.sleep(600)\n"


@dataclass(frozen=True)
class Site:
    """A directory with an application whose name no other has, so that its processes and directories are known."""

    folder: Path
    name: str

    @property
    def output(self) -> Path:
        return self.folder / "dist" / self.name

    def assert_intact(self) -> None:
        """The output is the previous one, and nothing is beside it."""
        assert self.output.read_text() == PREVIOUS
        assert os.listdir(self.output.parent) == [self.name]

    def works(self, freezer: Freezer) -> list[str]:
        """The work directories of its builds."""
        return [path.name for path in (freezer.cache / "work").glob(f"{self.name}-*")]


def make_site(tmp_path: Path) -> Site:
    """A site with the application and a previous output."""
    folder = tmp_path / "site"
    (folder / "dist").mkdir(parents=True)
    name = f"sleeper-{os.getpid()}-{secrets.token_hex(4)}"  # short: freezer uses it in the names of directories
    (folder / f"{name}.py").write_text(SLEEPER)
    made = Site(folder, name)
    made.output.write_text(PREVIOUS)
    return made


STEPS = ("start", "root", "python", "environment", "freeze", "close", "link", "verify")


def interrupt(freezer: Freezer, site: Site, during: str, number: int, *arguments: str, times: int = 1) -> Any:
    """Start a build, send it a signal ``during`` a step, that is once the step before has ended; wait for its end."""
    # The application never ends, so that verification is still on when it is to be interrupted.
    options = ("--smoke-timeout", "300", *arguments)
    process = freezer.start("build", f"{site.name}.py", *options, cwd=site.folder)
    said = ""
    try:
        steps = STEPS if "--chroot" in arguments else [step for step in STEPS if step != "root"]
        before = steps[steps.index(during) - 1]
        assert process.stderr is not None
        if before == "start":
            wait_until(lambda: site.works(freezer) or process.poll() is not None, "the work directory")
        else:
            for line in process.stderr:
                said += line
                if line.split()[:1] == [before]:
                    break
        if during == "verify":
            wait_until(lambda: processes_with(f"/app/{site.name}"), "the application to run")
        assert process.poll() is None, said
        for _ in range(times):
            process.send_signal(number)
        output, rest = process.communicate(timeout=PATIENCE)
        assert output == ""
        return process.returncode, said + rest
    finally:
        kill_group(process)
        process.communicate()


def assert_nothing_runs(*marks: str) -> None:
    for mark in marks:
        wait_until(lambda mark=mark: not processes_with(mark), f"the processes of {mark} to end")  # type: ignore[misc]
