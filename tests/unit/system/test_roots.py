"""Which sources a root gets to see."""

from __future__ import annotations

from pathlib import Path

from furnishing import furnish

from freezer.base.job import Job
from freezer.plan.resolve import resolve
from freezer.system.chroot.roots import _sources


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
