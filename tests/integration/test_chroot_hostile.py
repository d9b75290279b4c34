"""Whole builds in roots that somebody made to reach the host through. See tests/integration/test_hostile.py, too, which
has hundreds of them, but no whole builds."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import hostile
import pytest
import roots
from support import ORDINARY, Freezer, Run, need_root, open_to_all

ENVIRONMENT = 4
Empty = Callable[..., Run]
CHOSEN = ("etc: link to a directory", "etc: relative link", "etc/hosts: link to a file", "tmp: chain", "freezer: pipe")


@pytest.fixture(scope="session")
def program_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A program that does nothing, which takes the place of the shell."""
    return hostile.make_program(tmp_path_factory.mktemp("program") / "program")


@pytest.mark.parametrize("form", hostile.FORMS)
@pytest.mark.parametrize("name", CHOSEN)
def test_the_host_stays_as_it_was(
    fresh_freezer: Freezer, here: Path, tmp_path: Path, program_file: bytes, name: str, form: str
) -> None:
    """With a package, the root is copied and entered to be changed; then there is no Python in it that works."""
    need_root()
    host = hostile.make_host(tmp_path / "host")
    (root,) = (item for item in hostile.hostile_roots(host, program_file) if item.name == name)
    path = hostile.FORMS[form](root, tmp_path / "given")
    before = hostile.state_of(host)
    arguments = ("build", "hello.py", "--chroot", path, "--chroot-package", "x")
    message = fresh_freezer.fails(*arguments, cwd=here, status=ENVIRONMENT)
    assert "python" in message
    assert hostile.SECRET not in message
    assert hostile.state_of(host) == before
    fresh_freezer("cache", "prune", "--all", cwd=here)
    assert hostile.state_of(host) == before


def with_links(root: Path, host: Path, path: Path) -> Path:
    """The tar of a root in which links to the host stand where freezer mounts and writes."""
    roots.tarball(root, path)
    with tarfile.open(path, "a") as tar:
        for name in ("./etc/resolv.conf", "./etc/hosts", "./freezer", "./source", "./run", "./sys", "./tmp"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.SYMTYPE
            info.linkname = str(host / "hosts" if name.startswith("./etc") else host)
            tar.addfile(info)
    return path


def test_a_build_works_all_the_same(
    fresh_freezer: Freezer, trixie: Path, here: Path, tmp_path: Path, run_in_empty_root: Empty
) -> None:
    host = hostile.make_host(tmp_path / "host")
    before = hostile.state_of(host)
    path = with_links(trixie, host, tmp_path / "root.tar")
    built = fresh_freezer("build", "hello.py", "--chroot", path, cwd=here)
    assert run_in_empty_root(built.output, "x").stdout.startswith("hello 3 ")
    assert hostile.SECRET.encode() not in built.output.read_bytes()
    assert hostile.state_of(host) == before


def test_as_ordinary_user(
    as_ordinary_user: Callable[[bool], Freezer], trixie: Path, here: Path, tmp_path: Path
) -> None:
    user = as_ordinary_user(False)
    host = hostile.make_host(tmp_path / "host")
    for place in (here, host, *host.rglob("*")):
        os.chown(place, ORDINARY, ORDINARY)
    before = hostile.state_of(host)
    path = with_links(trixie, host, tmp_path / "root.tar")
    open_to_all(tmp_path)
    user("build", "hello.py", "--chroot", path, "-o", here / "out", cwd=here)
    assert hostile.state_of(host) == before
