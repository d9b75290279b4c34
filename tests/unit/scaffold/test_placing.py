"""Files are written whole, all or none, and none is replaced unasked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freezer.base.errors import InputError, OutputError
from freezer.scaffold.placing import Draft, place, read_text


def test_new_files_and_those_that_are_there(tmp_path: Path) -> None:
    one, two = Draft(tmp_path / "one", "1\n"), Draft(tmp_path / "deep" / "er" / "two", "2\n")
    (tmp_path / "one").write_text("1\n")
    placed = place([one, two], tmp_path, force=False, dry_run=False)
    assert (placed.written, placed.unchanged) == ((two.path,), (one.path,))
    assert two.path.read_text() == "2\n"
    assert two.path.stat().st_mode & 0o777 == 0o644 & ~umask()
    again = place([one, two], tmp_path, force=False, dry_run=False)
    assert (again.written, again.difference) == ((), "")


def umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


def test_a_dry_run(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("a\nb\n")
    drafts = [Draft(tmp_path / "old", "a\nc", edits=True), Draft(tmp_path / "new", "n\n")]
    placed = place(drafts, tmp_path, force=False, dry_run=True)
    assert placed.difference == (
        "--- a/old\n+++ b/old\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n"
        "--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+n\n"
    )
    assert sorted(os.listdir(tmp_path)) == ["old"]
    assert (tmp_path / "old").read_text() == "a\nb\n"


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs\n")
    drafts = [Draft(tmp_path / "new", "n\n"), Draft(tmp_path / "theirs", "ours\n")]
    for dry in (False, True):
        with pytest.raises(OutputError, match="theirs exists already, with another content"):
            place(drafts, tmp_path, force=False, dry_run=dry)
    assert sorted(os.listdir(tmp_path)) == ["theirs"]
    place(drafts, tmp_path, force=True, dry_run=False)
    assert (tmp_path / "theirs").read_text() == "ours\n"


def test_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    drafts = [Draft(tmp_path / "new", "n\n"), Draft(tmp_path / "file" / "below", "b\n")]
    with pytest.raises(OutputError) as caught:
        place(drafts, tmp_path, force=False, dry_run=False)
    assert "-o" not in str(caught.value.hint).split()
    assert os.listdir(tmp_path) == ["file"]


def test_an_edited_file_keeps_its_rights_and_its_link(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text("a\n")
    real.chmod(0o666)
    if os.geteuid() == 0:
        os.chown(real, 1234, 2345)
    owner = (real.stat().st_uid, real.stat().st_gid)
    link = tmp_path / "pyproject.toml"
    link.symlink_to(real.name)
    place([Draft(link, "b\n", edits=True)], tmp_path, force=False, dry_run=False)
    assert link.is_symlink()
    assert real.read_text() == "b\n"
    assert real.stat().st_mode & 0o777 == 0o666
    assert (real.stat().st_uid, real.stat().st_gid) == owner


def test_what_is_no_text(tmp_path: Path) -> None:
    assert read_text(tmp_path / "none") is None
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_bytes(b"a\r\nb\n")
    for name in ("binary", "pipe", "."):
        with pytest.raises(InputError, match="cannot read"):
            read_text(tmp_path / name)
    assert read_text(tmp_path / "text") == "a\r\nb\n"
