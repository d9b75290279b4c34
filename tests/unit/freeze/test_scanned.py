"""The standard library is scanned once for each Python, and what goes wrong with that stops nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import pytest
from running import Runner

from freezer.base.errors import ToolError
from freezer.base.job import Completed, Job
from freezer.environment.interpreter import Interpreter
from freezer.environment.venv import Environment
from freezer.freeze import scanned
from freezer.freeze.drivers import DRIVERS
from freezer.system.host import Host


class Scanning(Host):
    """The host, but nothing runs: what was to is noted."""

    def __init__(self, error: Optional[ToolError] = None) -> None:
        super().__init__()
        self.error = error
        self.ran: list[list[str]] = []

    def run(self, argv: Sequence[str | Path], job: Job, **_options: Any) -> Completed:
        self.ran.append([str(word) for word in argv])
        if self.error is not None:
            raise self.error
        return Completed(0, "")


def environment(folder: Path, root: Scanning, version: tuple[int, int, int] = (3, 11, 2)) -> Environment:
    (folder / "analysis").mkdir(exist_ok=True)
    python = folder / "bin/python"
    interpreter = Interpreter(python, version, folder, python)
    return Environment(python, interpreter, "key", False, root, folder / "toolchain", folder / "analysis")


@pytest.mark.parametrize("error", [None, ToolError("it failed")])
def test_each_python_is_scanned_once(tmp_path: Path, error: Optional[ToolError]) -> None:
    root, job = Scanning(error), Runner(tmp_path / "job").job
    for version in ((3, 11, 2), (3, 11, 2), (3, 11, 3), (3, 11, 2)):
        scanned.scan_library(environment(tmp_path, root, version), job)
    assert len(root.ran) == 2
    assert root.ran[0][-3:] == [str(tmp_path / "toolchain"), str(DRIVERS / "scan_library.py"), root.ran[0][-1]]
    assert root.ran[0][-1] == str(tmp_path / "analysis")


def test_a_link_in_the_place_of_the_mark_leads_nowhere(tmp_path: Path) -> None:
    """Another system can write to its analyses."""
    root, job = Scanning(), Runner(tmp_path / "job").job
    found = environment(tmp_path, root)
    (found.analysis / "library-3.11.2").symlink_to(tmp_path / "made")
    scanned.scan_library(found, job)
    assert root.ran == [] and not os.path.lexists(tmp_path / "made")
