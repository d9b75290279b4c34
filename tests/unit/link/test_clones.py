"""Clones of trees: the same files, links and modes, but for those that are replaced."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from support import let_the_clock_go_on

from freezer.link import clones
from freezer.link.clones import Seen, clone_tree, listed_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "a" / "empty").mkdir(parents=True)
    (folder / "a" / "file").write_text("one")
    (folder / "program").write_text("two")
    (folder / "program").chmod(0o755)
    (folder / "link").symlink_to("a/file")
    (folder / "folder").symlink_to("a")
    return folder


EXPECTED = {
    "a": ["folder"],
    "a/empty": ["folder"],
    "a/file": ["file", hashlib.sha256(b"one").hexdigest(), "644"],
    "program": ["file", hashlib.sha256(b"two").hexdigest(), "755"],
    "link": ["link", "a/file"],
    "folder": ["link", "a"],
}


@pytest.mark.parametrize("links", [True, False])
def test_a_clone(tree: Path, tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    (tree / "a" / "file").chmod(0o644)
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    assert clone_tree(tree, tmp_path / "clone") == EXPECTED
    assert (tmp_path / "clone/a/empty").is_dir()
    assert (tmp_path / "clone/folder").is_symlink()
    assert os.path.samefile(tree / "program", tmp_path / "clone/program") == links
    monkeypatch.undo()
    assert clone_tree(tmp_path / "clone", tmp_path / "again") == EXPECTED


def test_a_clone_of_what_is_listed(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are not read again; what is not in the list is."""
    (tree / "a" / "file").chmod(0o644)
    listed = listed_tree(tree)
    (tree / "more").write_text("more")
    (tree / "more").chmod(0o600)
    monkeypatch.setattr(clones, "digest_file", lambda path: f"read: {os.path.basename(path)}")
    assert clone_tree(tree, tmp_path / "clone", listed) == {**EXPECTED, "more": ["file", "read: more", "600"]}


def test_a_list_of_what_is_there(tree: Path) -> None:
    (tree / "a" / "file").chmod(0o644)
    assert listed_tree(tree) == EXPECTED
    (tree / "a" / "more").write_text("")
    assert set(listed_tree(tree)) == {*EXPECTED, "a/more"}


def test_what_was_seen_is_not_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "a" / "file").chmod(0o644)
    seen: Seen = {}
    assert listed_tree(tree, seen) == EXPECTED
    monkeypatch.setattr(clones, "digest_file", lambda path: f"read: {os.path.basename(path)}")
    assert listed_tree(tree, seen) == EXPECTED
    # Neither the size nor the time tells that it was changed.
    status = (tree / "program").stat()
    let_the_clock_go_on()
    (tree / "program").write_text("owt")
    os.utime(tree / "program", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert listed_tree(tree, seen) == {**EXPECTED, "program": ["file", "read: program", "755"]}
