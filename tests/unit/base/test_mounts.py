"""Mounts of one's own: what is bound where, and what can be written there."""

from __future__ import annotations

from pathlib import Path

import pytest
from isolating import inside


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("source", "target", "root"):
        (tmp_path / name).mkdir()
    (tmp_path / "source" / "file").write_text("content")
    return tmp_path


def test_bound_directories(top: Path) -> None:
    code = """
bind(f"{top}/source", f"{top}/target", MS_RDONLY)
print(json.dumps([open(f"{top}/target/file").read(), writable(f"{top}/target/file"), writable(f"{top}/source/file")]))
"""
    assert inside(top, code) == ["content", False, True]
    assert list((top / "target").iterdir()) == []


def test_bound_files(top: Path) -> None:
    code = """
open(f"{top}/target/it", "w").close()
bind(f"{top}/source/file", f"{top}/target/it", MS_RDONLY)
print(json.dumps([open(f"{top}/target/it").read(), writable(f"{top}/target/it")]))
"""
    assert inside(top, code) == ["content", False]
    assert (top / "target" / "it").read_text() == ""


def test_a_mount_that_is_refused_is_named(top: Path) -> None:
    code = """
try:
    mount("none", f"{top}/no/such", "tmpfs", 0)
except IsolationError as error:
    print(json.dumps([str(error), error.code == errno.ENOENT]))
"""
    text, is_code = inside(top, code)
    assert text == f"mount none on {top}/no/such: No such file or directory"
    assert is_code


def test_another_root(top: Path) -> None:
    code = """
bind(f"{top}/source", f"{top}/root", 0)
notes = enter_root(f"{top}/root")
print(json.dumps([notes, os.listdir("/"), os.getcwd(), os.path.exists(top)]))
"""
    notes, names, folder, old = inside(top, code)
    assert (names, folder, old) == (["file"], "/", False)
    assert notes == [] or "chroot" in notes[0]
