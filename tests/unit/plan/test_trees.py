"""Which files of a tree count: all but what tools are known to leave there, and a package may have any name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from furnishing import furnish

from freezer.plan.trees import copy_sources, repository_of, repository_state, tree_signature

SOURCES = (
    *("a", "b/x", "pkg/build/x.py", "pkg/dist/x.py", "pkg/venv/x.py", "pkg/test/x.py", "pkg/tests/data.txt"),
    *("build/__init__.py", "build/library/x.py", "dist/__init__.py", "node_modules/x.js", "pkg/x.egg-info/notes"),
)
PRODUCTS = (
    *(".git/x", ".hg/x", "pkg/__pycache__/x.pyc", ".mypy_cache/x", ".venv/pyvenv.cfg", ".venv/x", "odd/pyvenv.cfg"),
    *("build/lib/x.py", "build/lib.linux-x86_64-3.11/x.so", "build/bdist.linux-x86_64/x", "build/temp.linux/x.o"),
    *("x.egg-info/PKG-INFO", "src/x.egg-info/SOURCES.txt", "dist/x-1.whl", "dist/x-1.tar.gz"),
)


def names(top: Path) -> list[str]:
    return sorted(os.path.relpath(name, top) for name, *_ in tree_signature(top))


def test_sources_and_products(tmp_path: Path) -> None:
    top = furnish(tmp_path / "top", *SOURCES, *PRODUCTS)
    (top / "dist" / "app").write_bytes(b"\x7fELF")
    (top / "dangling").symlink_to("nothing")
    (top / "linked").symlink_to("pkg")
    assert names(top) == sorted([*SOURCES, "dangling", "linked"])
    copy_sources(top, tmp_path / "copy")
    assert names(tmp_path / "copy") == names(top)
    assert os.readlink(tmp_path / "copy" / "linked") == "pkg"


@pytest.mark.parametrize("name", SOURCES)
def test_a_change_is_seen(tmp_path: Path, name: str) -> None:
    top = furnish(tmp_path, *SOURCES)
    before = tree_signature(top)
    (top / name).write_text("changed")
    assert tree_signature(top) != before


def test_single_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("abc")
    status = (tmp_path / "a").stat()
    assert tree_signature(tmp_path / "a") == [(str(tmp_path / "a"), 3, status.st_mtime_ns, status.st_ctime_ns)]
    assert tree_signature(tmp_path / "gone") == []


def test_repositories(tmp_path: Path) -> None:
    furnish(tmp_path, ".git/HEAD", ".git/refs/heads/main", ".git/refs/remotes/origin/main", "a/b/c", "bare/HEAD")
    assert repository_of(tmp_path / "a" / "b") == tmp_path
    assert [os.path.relpath(name, tmp_path) for name, *_ in repository_state(tmp_path / "a")] == [
        ".git/HEAD",
        ".git/refs/heads/main",
    ]


def test_a_repository_that_git_is_changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(tmp_path, ".git/HEAD", ".git/refs/heads/topic/a")

    def gone(folder: Path, _pattern: str) -> Iterator[Path]:
        raise FileNotFoundError(folder / "topic")

    monkeypatch.setattr(Path, "rglob", gone)
    assert [os.path.relpath(name, tmp_path) for name, *_ in repository_state(tmp_path)] == [".git/HEAD"]
