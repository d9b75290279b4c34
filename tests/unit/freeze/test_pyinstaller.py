"""What PyInstaller has made, taken over from the environment that it ran in."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from freezer.application.entry import Application
from freezer.application.own import Learnt
from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Job
from freezer.freeze import pyinstaller as module
from freezer.freeze.drivers.freeze_messages import FreezeReport
from freezer.freeze.drivers.pyinstaller_internals import PROGRAM
from freezer.plan.choices import CONTENTS
from freezer.system.chroot.chroot import Chroot, Mount
from freezer.system.chroot.network import NetworkFiles


@pytest.fixture
def facts(job: Job) -> dict[str, str]:
    """What the driver says in another system."""
    (job.work / "dist/app" / CONTENTS).mkdir(parents=True)
    (job.work / "freeze").mkdir()
    for name in (f"dist/app/app{PROGRAM}", "freeze/app.pkg", "freeze/warn-app.txt"):
        (job.work / name).touch()
    work = "/freezer/work"
    return {
        "tree": f"{work}/dist/app",
        "name": "app",
        "package": f"{work}/freeze/app.pkg",
        "warnings": f"{work}/freeze/warn-app.txt",
    }


def received(facts: dict[str, str], job: Job) -> tuple[Path, str, Path, Path]:
    mounts = (Mount(job.work, "/freezer/work", writable=True),)
    return module._received(
        cast(FreezeReport, facts), Chroot(Path("/roots/x"), "x", (), mounts, NetworkFiles((), {})), job
    )


def test_what_another_system_hands_over(facts: dict[str, str], job: Job) -> None:
    tree = job.work / "dist/app"
    assert received(facts, job) == (tree, "app", job.work / "freeze/app.pkg", job.work / "freeze/warn-app.txt")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tree", "/usr"),
        ("tree", "/freezer/work/../../etc"),
        ("name", ""),
        ("name", CONTENTS),
        ("package", "/etc/shadow"),
        ("warnings", "/freezer/work/freeze"),
    ],
)
def test_what_it_may_not_hand_over(facts: dict[str, str], job: Job, name: str, value: str) -> None:
    with pytest.raises(EnvironmentFailure):
        received({**facts, name: value}, job)


@pytest.mark.parametrize(
    "name", ["dist", "dist/app", f"dist/app/{CONTENTS}", f"dist/app/app{PROGRAM}", "freeze/app.pkg"]
)
def test_links_in_what_it_hands_over(facts: dict[str, str], job: Job, tmp_path: Path, name: str) -> None:
    (job.work / name).rename(tmp_path / "elsewhere")
    (job.work / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnvironmentFailure):
        received(facts, job)


def test_learned_lines_that_nothing_answers_to(tmp_path: Path) -> None:
    learnt = Learnt(modules=("late", "gone.sub"), stale=("[files] x.txt",))
    application = Application("app", tmp_path / "app.py", False, (), (), (), {}, None, learnt=learnt)
    assert module._stale(application, ["gone.sub", "foreign", "gone.sub"]) == ("[files] x.txt", "[modules] gone.sub")
