"""A build in another root: both sides of its mounts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hostile import make_host, make_program, state_of
from support import lacking

from freezer.base.errors import EnvironmentFailure
from freezer.base.job import Completed, Job
from freezer.system.chroot.chroot import Chroot, Mount
from freezer.system.chroot.network import NetworkFiles

CHROOT = Chroot(
    Path("/roots/x"),
    "x",
    (),
    (
        Mount(Path("/cache/work/app"), "/freezer/work", writable=True),
        Mount(Path("/cache/env/key"), "/freezer/env"),
        Mount(Path("/home/me/app"), "/source/app"),
    ),
    NetworkFiles((), {}),
    Path("/home/me"),
)


@pytest.mark.parametrize(
    ("outside", "inside"),
    [
        ("/cache/work/app/dist/x", "/freezer/work/dist/x"),
        ("/cache/env/key/bin/python", "/freezer/env/bin/python"),
        ("/home/me/app", "/source/app"),
        ("/roots/x/usr/bin/python3", "/usr/bin/python3"),
    ],
)
def test_both_ways(outside: str, inside: str) -> None:
    assert CHROOT.inside(Path(outside)) == inside
    assert CHROOT.outside(inside) == Path(outside)


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("/freezer/work/../../etc/shadow", "/roots/x/etc/shadow"),
        ("/freezer/work/../../../../../etc/shadow", "/roots/x/etc/shadow"),
        ("/../../etc/shadow", "/roots/x/etc/shadow"),
        ("//freezer//work/./x", "/cache/work/app/x"),
        ("usr/../../x", "/roots/x/x"),
    ],
)
def test_no_path_from_inside_leads_out(inside: str, outside: str) -> None:
    assert CHROOT.outside(inside) == Path(outside)


@pytest.fixture
def entered(tmp_path: Path, job: Job) -> Chroot:
    """A system whose one program does nothing, with the work directory in it; beside it is the host."""
    make_host(tmp_path / "host")
    program = tmp_path / "system/bin/sh"
    program.parent.mkdir(parents=True)
    program.write_bytes(make_program(tmp_path / "program"))
    program.chmod(0o755)
    mounts = (Mount(job.work, "/freezer/work", writable=True), Mount(job.work / "copy", "/source/x", writable=True))
    (job.work / "copy").mkdir()
    return Chroot(tmp_path / "system", "x", (), mounts, NetworkFiles((), {}))


def enter(system: Chroot, job: Job) -> Completed:
    try:
        return system.run([system.path / "bin/sh"], job, env={}, cwd=job.work, what="do it")
    except EnvironmentFailure as error:
        if "forbid" in (error.hint or ""):
            lacking(error.hint or "")
        raise


def test_entering(entered: Chroot, job: Job) -> None:
    assert enter(entered, job).status == 0


@pytest.mark.parametrize("name", ["root", "copy", "enter"])
@pytest.mark.parametrize("target", ["/", "{host}", "near"])
def test_links_that_its_programs_left_behind(entered: Chroot, job: Job, tmp_path: Path, name: str, target: str) -> None:
    """In the work directory, where a build's next step makes directories, writes, mounts, and mounts on."""
    (job.work / "near").mkdir()
    if name == "copy":
        (job.work / name).rmdir()
    (job.work / name).symlink_to(target.format(host=tmp_path / "host"))
    before = state_of(tmp_path / "host"), sorted(os.listdir("/"))
    refused = name == "copy" or (name == "root" and target != "{host}")
    if refused:
        with pytest.raises(EnvironmentFailure):
            enter(entered, job)
    else:
        assert enter(entered, job).status == 0
    assert (state_of(tmp_path / "host"), sorted(os.listdir("/"))) == before
    assert os.listdir(job.work / "near") == []


def test_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="not in the subpath"):
        CHROOT.inside(Path("/home/other"))
    assert CHROOT._folder(Path("/home/me")) == "/source"
    assert CHROOT.with_directory(Path("/p/pip"), "pip/pip").inside(Path("/p/pip/x.py")) == "/freezer/pip/pip/x.py"
