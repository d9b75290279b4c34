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
