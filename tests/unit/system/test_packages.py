"""What a root's package manager is asked for, and copies of roots."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Optional

import pytest
from furnishing import furnish

from freezer.system.chroot.packages import copy_root, database_state, manager_of


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


@pytest.mark.parametrize("code", [None, errno.ENOSYS, errno.EXDEV, errno.EOPNOTSUPP, errno.EIO])
def test_files_that_cannot_be_cloned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: Optional[int]) -> None:
    """By this file system or kernel, or by a Python that was built against a C library without that call."""

    def refuse(*_arguments: object) -> int:
        raise OSError(code, os.strerror(code or 0))

    if code is None:
        monkeypatch.delattr(os, "copy_file_range")
    else:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    root = furnish(tmp_path / "root", "etc/file")
    (root / "etc/large").write_bytes(bytes(range(256)) * 10_000)
    assert copy_root(root, tmp_path / "copy") == []
    for name in ("etc/file", "etc/large"):
        assert (tmp_path / "copy" / name).read_bytes() == (root / name).read_bytes()
