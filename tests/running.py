"""Tools run as a job runs them."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any, Optional

from freezer.base.job import BuildLog, Completed, Job
from freezer.base.log import Log, Verbosity

ENV = {"PATH": os.environ.get("PATH", "/usr/bin:/bin")}


class Runner:
    """Job.run(), with a log of its own."""

    def __init__(self, folder: Path, verbosity: Verbosity = Verbosity.NORMAL, cache: Optional[Path] = None) -> None:
        self.folder = folder
        self.build_log = BuildLog(folder / "log" / "x.log")
        self.stream = io.StringIO()
        self.log = Log(verbosity, self.stream)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self.job = Job(self.log, cache or folder, folder, held, self.build_log, contextlib.ExitStack())

    def __call__(self, *argv: str, **options: Any) -> Completed:
        settings: dict[str, Any] = {"what": "do it", "env": ENV, "cwd": self.folder, **options}
        return self.job.run(argv, **settings)

    @property
    def logged(self) -> str:
        return self.build_log.path.read_text()


def shell(script: str) -> tuple[str, ...]:
    return "sh", "-c", script
