"""What is no root, and which sources a root gets to see."""

from __future__ import annotations

from pathlib import Path

import pytest
from furnishing import furnish
from plans import plan

from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.job import Job
from freezer.plan.resolve import resolve
from freezer.system.chroot import roots
from freezer.system.chroot.roots import _sources, open_root


def unreadable(*_: object) -> None:
    raise EnvironmentFailure("cannot read pip's configuration")


@pytest.mark.parametrize("chroot", ["gone", "text", "folder", "folder/app.py/x", "debian:../x"])
def test_what_is_no_root_is_said_first(here: Path, job: Job, monkeypatch: pytest.MonkeyPatch, chroot: str) -> None:
    """Before pip is asked for its configuration, which takes longer."""
    furnish(here, "text", "folder/app.py")
    monkeypatch.setattr(roots, "network_files", unreadable)
    with pytest.raises(InputError):
        open_root(plan(here, entry="app.py", chroot=chroot), job)


def test_what_a_new_root_cannot_do_without_is_looked_at_before(
    here: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes minutes to make."""
    monkeypatch.setattr(roots, "bootstrap", None)
    monkeypatch.setattr(roots, "network_files", unreadable)
    with pytest.raises(EnvironmentFailure, match="pip's configuration"):
        open_root(plan(here, entry="app.py", chroot="debian:trixie"), job)


def test_sources(tmp_path: Path, job: Job) -> None:
    """In their order below /source; projects that requirements name are copies, at their absolute path, too."""
    furnish(tmp_path, "bin/app.py", "req/r.txt", "libs/part/setup.py", "data/x")
    (tmp_path / "req/r.txt").write_text(f"./libs/part\n{tmp_path}/libs/part\n")
    given = {"entry": "bin/app.py", "requirement": ["req/r.txt"], "add_data": ["data:d"]}
    top, mounts = _sources(resolve(given, folder=tmp_path, environ={}), job)
    assert top == tmp_path
    seen = {mount.target: (mount.source, mount.writable) for mount in mounts}
    copy = job.work / "local" / "0"
    assert seen == {
        "/source/bin": (tmp_path / "bin", False),
        "/source/req": (tmp_path / "req", False),
        "/source/data": (tmp_path / "data", False),
        "/source/libs/part": (copy, True),
        str(tmp_path / "libs/part"): (copy, True),
    }
    assert (copy / "setup.py").is_file()
