"""What every system has in common: an environment for tools that nothing of the user's gets into."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.base.job import Job
from freezer.system.chroot.chroot import Chroot, Mount
from freezer.system.chroot.network import NetworkFiles
from freezer.system.host import Host


def test_variables_for_tools(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("PYTHONPATH", "/mine")
    found = Host().clean_environment(job, epoch=7, extra={"MORE": "1"})
    assert not {"SECRET", "PYTHONPATH"} & set(found)
    assert (found["SOURCE_DATE_EPOCH"], found["MORE"]) == ("7", "1")
    assert (found["HOME"], found["TMPDIR"]) == (str(job.work / "home"), str(job.work / "tmp"))
    assert (job.work / "home").is_dir() and (job.work / "tmp").is_dir()


def test_directories_are_called_as_they_are_inside(job: Job) -> None:
    mounts = (Mount(job.work, "/freezer/work", writable=True),)
    root = Chroot(Path("/r"), "r", (), mounts, NetworkFiles((), {}), job.work)
    found = root.clean_environment(job, epoch=0)
    assert (found["HOME"], found["TMPDIR"]) == ("/freezer/work/home", "/freezer/work/tmp")
    assert (job.work / "home").is_dir()
