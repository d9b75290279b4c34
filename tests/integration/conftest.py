"""Fixtures of the tests that run whole builds: the systems to build in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import roots
from support import ORDINARY, Freezer, as_user, need_program, need_root, open_to_all

HELLO = "import ssl, sys\nprint('hello', *sys.version_info[:2], *sys.argv[1:])\n"


@pytest.fixture(scope="session")
def roots_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where roots of other systems are kept."""
    return roots.shared_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def built_by_name(roots_folder: Path, index: None) -> roots.Named:
    """What a build in debian:bullseye/hello has made."""
    return roots.debian_by_name("bullseye/hello", HELLO, roots_folder)


@pytest.fixture(scope="session")
def bullseye(built_by_name: roots.Named) -> Path:
    """The root directory of a system with an older C library, to be left as it is."""
    return built_by_name.kept / "root"


@pytest.fixture(scope="session")
def trixie(roots_folder: Path) -> Path:
    """The root directory of a system with a newer C library, to be left as it is."""
    return roots.debian("trixie", roots_folder)


@pytest.fixture(scope="session")
def chroot_freezer(tmp_path_factory: pytest.TempPathFactory, index: None) -> Freezer:
    """Runs freezer with a cache without links, which nothing of may be where another system is entered."""
    return Freezer(tmp_path_factory.mktemp("chroot-cache"))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a small application."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "hello.py").write_text(HELLO)
    return folder


@pytest.fixture
def as_ordinary_user(tmp_path: Path) -> Callable[[bool], Freezer]:
    """freezer as an ordinary user's, who has a range of subordinate users or has none."""
    need_root()
    home = tmp_path / "home"
    staging = tmp_path / "staging"
    for folder in (home, staging):
        folder.mkdir()
    os.chown(home, ORDINARY, ORDINARY)
    open_to_all(tmp_path)

    def prepare(ranges: bool) -> Freezer:
        passwd, granted = tmp_path / "passwd", tmp_path / "granted"
        passwd.write_text(Path("/etc/passwd").read_text() + f"ordinary:x:{ORDINARY}:{ORDINARY}::{home}:/bin/sh\n")
        granted.write_text("ordinary:700000:65536\n" if ranges else "")
        script = 'mount --bind "$1" /etc/passwd && shift && for f in subuid subgid; do mount --bind "$1" /etc/$f; done'
        script += ' && shift && exec "$@"'
        for name in ("subuid", "subgid"):
            Path("/etc", name).touch()
        words = [need_program("unshare"), "--mount", "sh", "-c", script, "sh", str(passwd), str(granted)]
        return Freezer(home / "cache", [*words, *as_user(ORDINARY, staging)])

    return prepare
