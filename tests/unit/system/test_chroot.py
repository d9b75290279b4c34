"""Paths in other roots, what is brought into them, and what their package managers are asked for."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.base.errors import InputError, UsageError
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.environment.pip import NO_COMPILER
from freezer.plan.resolve import resolve
from freezer.store.workspace import workspace
from freezer.system.chroot.chroot import Chroot, Mount
from freezer.system.chroot.network import NetworkFiles, parse_configuration
from freezer.system.chroot.packages import copy_root, database_state, manager_of
from freezer.system.chroot.roots import _sources
from freezer.system.rooted import within


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with workspace(tmp_path / "cache", "test", keep=False, log=Log(stream=io.StringIO())) as job:
        yield job


def furnish(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.mark.parametrize(
    ("links", "asked", "found"),
    [
        ({"lib": "usr/lib"}, "lib/x.so", "usr/lib/x.so"),
        ({"lib": "/usr/lib"}, "lib/x.so", "usr/lib/x.so"),
        ({"usr/lib/x.so": "/etc/alternatives/x"}, "usr/lib/x.so", "etc/alternatives/x"),
        ({"up": "../../../../etc"}, "up/passwd", "etc/passwd"),
        ({"a": "b", "b": "/c"}, "a/d", "c/d"),
        ({}, "no/such/../file", "no/file"),
    ],
)
def test_within(tmp_path: Path, links: dict[str, str], asked: str, found: str) -> None:
    for name, target in links.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(target)
    assert within(tmp_path, tmp_path / asked) == tmp_path / found


def test_links_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="too many levels"):
        within(tmp_path, tmp_path / "a")


@pytest.fixture(scope="module")
def tangled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with links that would lead out of it."""
    root = tmp_path_factory.mktemp("root")
    (root / "a").mkdir()
    (root / "link").symlink_to("a/../..")
    (root / "a" / "up").symlink_to("../../../../..")
    (root / "a" / "abs").symlink_to("/a/up/link")
    return root


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "link", "up", "abs"]), min_size=1, max_size=8))
def test_never_outside(tangled: Path, parts: list[str]) -> None:
    found = within(tangled, tangled.joinpath(*parts))
    assert found == tangled or tangled in found.parents


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


def test_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="not in the subpath"):
        CHROOT.inside(Path("/home/other"))
    assert CHROOT._folder(Path("/home/me")) == "/source"
    assert CHROOT.seeing(Path("/p/pip"), "pip/pip").inside(Path("/p/pip/x.py")) == "/freezer/pip/pip/x.py"


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


def test_pip_configuration() -> None:
    text = "global.find-links='/a /b'\n:env:.index-url='https://x/simple'\ninstall.no-binary='x\\ny'\nrubbish\n"
    assert parse_configuration(text) == [
        ("global", "find-links", "/a /b"),
        (":env:", "index-url", "https://x/simple"),
        ("install", "no-binary", "x\ny"),
    ]


@pytest.mark.parametrize(
    ("program", "script"),
    [
        ("apt-get", "apt-get update && apt-get install --yes --no-install-recommends a b"),
        ("microdnf", "microdnf install -y a b"),
        ("apk", "apk add --no-cache a b"),
    ],
)
def test_managers(tmp_path: Path, program: str, script: str) -> None:
    manager = manager_of(furnish(tmp_path, f"usr/bin/{program}"))
    assert manager is not None
    assert manager.script(("a", "b"), alone=False) == script
    assert ("Sandbox" in manager.script(("a",), alone=True)) == (program == "apt-get")
    assert manager.package("libpython", "3.11")


def test_no_manager(tmp_path: Path) -> None:
    assert manager_of(tmp_path) is None
    assert database_state(tmp_path) == ()
    before = database_state(furnish(tmp_path, "var/lib/dpkg/status"))
    os.utime(tmp_path / "var/lib/dpkg/status", (1, 1))
    assert database_state(tmp_path) != before != ()


def test_copy_root(tmp_path: Path) -> None:
    root = furnish(tmp_path / "root", "usr/bin/su", "etc/file", "home/private/x")
    (root / "usr/bin/su").chmod(0o4755)
    os.link(root / "etc/file", root / "etc/same")
    (root / "lib").symlink_to("/usr/lib")
    os.mkfifo(root / "etc/fifo")
    (root / "home/private").chmod(0o500)
    os.utime(root / "etc/file", (1000, 1000))
    assert copy_root(root, tmp_path / "copy") == []
    copy = tmp_path / "copy"
    assert (copy / "usr/bin/su").stat().st_mode & 0o7777 == 0o755
    assert (copy / "etc/file").stat().st_ino == (copy / "etc/same").stat().st_ino
    assert (copy / "etc/file").stat().st_mtime == 1000
    assert os.readlink(copy / "lib") == "/usr/lib"
    assert not (copy / "etc/fifo").exists()
    assert (copy / "home/private").stat().st_mode & 0o777 == 0o700
    assert (copy / "home/private/x").read_text() == "home/private/x"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"chroot_package": ["x"]}, UsageError),
        ({"chroot": "/no/such/root"}, InputError),
        ({"chroot": "debian:trixie", "chroot_package": ["-o=x"]}, InputError),
        ({"chroot": "debian:trixie", "chroot_package": ["a b"]}, InputError),
    ],
)
def test_refused_plans(tmp_path: Path, given: dict[str, Any], error: type[Exception]) -> None:
    furnish(tmp_path, "app.py")
    with pytest.raises(error):
        resolve({"entry": "app.py", **given}, folder=tmp_path, environ={})


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("error: [Errno 2] No such file or directory: 'x86_64-linux-gnu-gcc'", True),
        ("error: command 'gcc' failed: No such file or directory", True),
        ("unable to find 'c++' failed: No such file or directory", True),
        ("error: [Errno 2] No such file or directory: 'README.md'", False),
        ("error: command 'gcc' failed with exit status 1", False),
    ],
)
def test_a_missing_compiler_is_known_by_what_backends_say(line: str, missing: bool) -> None:
    assert bool(NO_COMPILER.search(line)) == missing
