"""What a build brings by its rules."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from freezer.learn.brought import brought_by, path_without_links


def test_what_a_closed_bundle_has(tmp_path: Path) -> None:
    contents = tmp_path / "tree" / "_internal"
    (contents / "pkg").mkdir(parents=True)
    (contents / "pkg" / "data.txt").touch()
    (contents / "libz.so.1").touch()
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    frozen: Any = SimpleNamespace(
        tree=tmp_path / "tree", contents=contents, modules=frozenset(("pkg", "pkg.a", "pk")), sources=(tmp_path / "x",)
    )
    closed: Any = SimpleNamespace(frozen=frozen, libraries=("libq.so.5",))
    application: Any = SimpleNamespace(own_files=(tmp_path / "link" / "app.py",), script=tmp_path / "start.py")
    brought = brought_by(closed, application)
    assert brought.has("pkg/data.txt") and brought.has("pkg") and not brought.has("data.txt")
    assert {"libz.so.1", "libq.so.5"} <= brought.libraries
    assert brought.sources == {str(tmp_path / name) for name in ("x", "real/app.py", "start.py")}
    assert brought.has_top("pkg.b") and not brought.has_top("p")


def test_links_count_in_directories_alone(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "a").symlink_to("/etc/hosts")
    assert path_without_links(f"{tmp_path}/link/a") == f"{tmp_path}/real/a"
