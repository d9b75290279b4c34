"""Trees are removed with all that is in them, and nothing else."""

from __future__ import annotations

from pathlib import Path

from freezer.base.removal import remove_tree


def test_remove_tree(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("")
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "link").symlink_to(tmp_path)
    (tree / "a" / "b" / "file").write_text("")
    (tree / "a").chmod(0o500)
    remove_tree(tree)
    assert not tree.exists()
    assert (tmp_path / "precious").exists()
    remove_tree(tmp_path / "missing")


def test_a_link_in_the_place_of_a_tree(tmp_path: Path) -> None:
    """The tree that it leads to keeps its modes."""
    (tmp_path / "host/closed").mkdir(parents=True)
    for name in ("host/closed", "host"):
        (tmp_path / name).chmod(0o555)
    (tmp_path / "tree").symlink_to("host")
    remove_tree(tmp_path / "tree")
    assert [path.name for path in tmp_path.iterdir()] == ["host"]
    for name in ("host", "host/closed"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o555
