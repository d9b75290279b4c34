"""What programs of another system hand over is refused if it leads elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freezer.base.errors import EnvironmentFailure
from freezer.base.received import MAX_DEPTH, check_file, check_folder, check_tree


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work directory in which there are links to the host."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host/file").touch()
    work = tmp_path / "work"
    (work / "tree/a/b").mkdir(parents=True)
    (work / "tree/a/file").touch()
    (work / "out").symlink_to("../host")
    (work / "near").symlink_to("tree")
    os.mkfifo(work / "pipe")
    return work


def test_what_is_where_it_should_be(work: Path) -> None:
    check_file(work / "tree/a/file", work)
    check_folder(work / "tree/a", work)
    check_tree(work / "tree", work)


@pytest.mark.parametrize("name", ["out", "out/file", "near", "near/a", "../host", "tree/../../host", "none", "pipe"])
def test_what_is_not(work: Path, name: str) -> None:
    for check in (check_file, check_folder, check_tree):
        with pytest.raises(EnvironmentFailure):
            check(work / name, work)


def test_a_file_is_no_directory(work: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="cannot use"):
        check_folder(work / "tree/a/file", work)
    with pytest.raises(EnvironmentFailure, match="cannot use"):
        check_file(work / "tree/a", work)


@pytest.mark.parametrize("target", ["file", "b", "../a/b", "b/.", "./b", "../a"])
def test_links_that_stay(work: Path, target: str) -> None:
    (work / "tree/a/link").symlink_to(target)
    check_tree(work / "tree", work)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../out", "../../../host/file", "b/../../..", "deep/../../../x"])
def test_links_that_lead_out(work: Path, target: str) -> None:
    (work / "tree/a/link").symlink_to(target)
    with pytest.raises(EnvironmentFailure) as caught:
        check_tree(work / "tree", work)
    assert "leads out" in str(caught.value.why)


def test_no_pipes_and_no_endless_depth(work: Path) -> None:
    os.mkfifo(work / "tree/a/b/pipe")
    with pytest.raises(EnvironmentFailure):
        check_tree(work / "tree", work)
    (work / "tree/a/b/pipe").unlink()
    (work / "tree" / "/".join(["d"] * (MAX_DEPTH + 1))).mkdir(parents=True)
    with pytest.raises(EnvironmentFailure) as caught:
        check_tree(work / "tree", work)
    assert "levels" in str(caught.value.why)
