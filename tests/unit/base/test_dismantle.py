"""Trees are removed with all that is in them, and nothing else."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import CHECKOUT, ORDINARY, PATIENCE, as_user, need_root, open_to_all

from freezer.base.beneath import opened_top
from freezer.base.dismantle import DEEPEST, remove


def state(path: Path) -> list[tuple[str, int, int]]:
    return [(str(item), item.lstat().st_mode, item.lstat().st_mtime_ns) for item in sorted([path, *path.rglob("*")])]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """What is outside: a directory whose mode removing would change."""
    (tmp_path / "host/closed").mkdir(parents=True)
    (tmp_path / "host/closed/file").write_text("precious")
    (tmp_path / "host/closed").chmod(0o555)
    return tmp_path / "host"


def test_links_are_removed_as_such(tmp_path: Path, host: Path) -> None:
    before = state(host)
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    (tree / "link").symlink_to(host)
    (tree / "folder/link").symlink_to("../../host/closed")
    (tree / "folder/circle").symlink_to("circle")
    os.mkfifo(tree / "folder/pipe")
    (tmp_path / "top").symlink_to(host)
    with opened_top(tmp_path) as parent:
        remove(parent, "tree")
        remove(parent, "top")
        with pytest.raises(FileNotFoundError):
            remove(parent, "tree")
    assert os.listdir(tmp_path) == ["host"]
    assert state(host) == before


def test_a_link_in_the_place_of_a_directory(tmp_path: Path, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at it and its opening."""
    before = state(host)
    (tmp_path / "tree/folder").mkdir(parents=True)
    look = os.stat

    def swap(name: str, **options: Any) -> os.stat_result:
        status = look(name, **options)
        if name == "folder":
            (tmp_path / "tree/folder").rmdir()
            (tmp_path / "tree/folder").symlink_to(host / "closed")
        return status

    monkeypatch.setattr(os, "stat", swap)
    with opened_top(tmp_path) as parent, pytest.raises(NotADirectoryError):
        remove(parent, "tree")
    monkeypatch.undo()
    assert state(host) == before


def test_deeper_than_descriptors_reach(tmp_path: Path) -> None:
    deep = 20 * DEEPEST
    (tmp_path / "tree").mkdir()
    folder = os.open(tmp_path / "tree", os.O_RDONLY)
    for _ in range(deep):
        os.mkdir("d", dir_fd=folder)
        os.close(os.open("file", os.O_CREAT, dir_fd=folder))
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    with opened_top(tmp_path) as parent:
        remove(parent, "tree")
    assert os.listdir(tmp_path) == []


CODE = """
import os, sys
from freezer.base.beneath import opened_top
from freezer.base.dismantle import remove
with opened_top(sys.argv[1]) as parent:
    try:
        remove(parent, "tree")
    except OSError as error:
        print(type(error).__name__)
"""


def test_read_only_and_foreign_parts(tmp_path: Path, host: Path) -> None:
    """An ordinary user removes what is read-only, and as much as possible of what others have in it."""
    need_root()
    before = state(host)
    (tmp_path / "staging").mkdir()
    tree = tmp_path / "tree"
    for name in ("unreadable/x", "fixed/y", "foreign/z"):
        (tree / name).mkdir(parents=True)
    (tree / "fixed/link").symlink_to(host)
    for path in (tmp_path, tree, *tree.rglob("*")):
        if "foreign" not in path.parts:
            os.chown(path, ORDINARY, ORDINARY, follow_symlinks=False)
    (tree / "unreadable").chmod(0)
    (tree / "fixed").chmod(0o500)
    open_to_all(tmp_path)
    done = subprocess.run(
        [*as_user(ORDINARY, tmp_path / "staging"), sys.executable, "-c", CODE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("PermissionError\n", "")
    assert [str(path.relative_to(tree)) for path in sorted(tree.rglob("*"))] == ["foreign", "foreign/z"]
    assert stat.S_IMODE((tree / "foreign").stat().st_mode) == 0o755
    assert state(host) == before
