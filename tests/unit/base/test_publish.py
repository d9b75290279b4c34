"""Outputs appear whole or not at all, and places that cannot take one are known before."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from faults import failing_calls
from support import hold, snapshot

from freezer.base.bill import Bill, Component
from freezer.base.errors import OutputError
from freezer.base.publish import check_target, digest_file, is_result, publish
from freezer.bill import spdx
from freezer.bill.cyclonedx import render


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"new" * 1_000_000)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    return path


def test_publish(source: Path, out: Path) -> None:
    publish(source, out / "a" / "b" / "app", mode=0o755)
    assert digest_file(out / "a" / "b" / "app") == digest_file(source)
    assert list((out / "a" / "b").iterdir()) == [out / "a" / "b" / "app"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o755), (0, 0o755)])
def test_mode_is_that_of_the_umask(source: Path, out: Path, umask: int, mode: int) -> None:
    previous = os.umask(umask)
    try:
        publish(source, out / "app", mode=0o755)
        assert os.umask(umask) == umask
    finally:
        os.umask(previous)
    assert stat.S_IMODE((out / "app").stat().st_mode) == mode


def test_a_link_is_replaced(source: Path, out: Path) -> None:
    (out / "target").write_text("old")
    (out / "app").symlink_to("target")
    publish(source, out / "app", mode=0o755)
    assert (out / "target").read_text() == "old"
    assert not (out / "app").is_symlink()


@pytest.mark.parametrize("name", ["x" * 255, "€" * 85, "a b\n$c:-é", "-x"])
def test_odd_names(source: Path, out: Path, name: str) -> None:
    check_target(out / name)
    publish(source, out / name, mode=0o755)
    assert os.listdir(out) == [name]


def broken(code: int) -> object:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["copyfileobj", "fsync", "replace", "fchmod"])
def test_a_failing_publication_changes_nothing(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    (out / "app").write_text("old")
    before = snapshot(out)
    monkeypatch.setattr(shutil if call == "copyfileobj" else os, call, broken(code))
    with pytest.raises(OutputError, match=r"cannot write .*/app") as caught:
        publish(source, out / "app", mode=0o755)
    monkeypatch.undo()
    assert snapshot(out) == before
    assert os.strerror(code) in caught.value.what
    assert "-o" in (caught.value.hint or "")


def test_an_interrupted_publication_changes_nothing(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfileobj", interrupt)
    with pytest.raises(KeyboardInterrupt):
        publish(source, out / "app", mode=0o755)
    assert list(out.iterdir()) == []


def test_any_call_may_fail(source: Path, out: Path) -> None:
    """Then the error says so, the previous output is as it was, and nothing is beside it; or it did not matter."""
    target, count = out / "app", 0

    def act() -> None:
        check_target(target)
        publish(source, target, mode=0o755)

    target.write_text("previous")
    for name, failure, raised in failing_calls(act):
        count += 1
        content = target.read_bytes()
        if raised is not None:
            assert isinstance(raised, OutputError), (name, failure, raised)
            assert str(target) in raised.what and failure is not None and str(failure.strerror) in raised.what
        # Once the new file has its name, only the directory's own fsync can fail.
        assert content in (b"previous", source.read_bytes())
        assert raised is not None or content == source.read_bytes()
        left = [path.name for path in out.iterdir() if path != target]
        # What cannot be removed stays; the next build removes it.
        assert left == [] or name == "unlink", (name, failure, left)
        target.write_text("previous")
        check_target(target)
        assert os.listdir(out) == ["app"]
    assert count > 50


def test_check_target_leaves_nothing(out: Path) -> None:
    check_target(out / "app")
    check_target(out / "not" / "yet" / "app")
    (out / "old").write_text("old")
    check_target(out / "old")
    assert snapshot(out) == {"old": snapshot(out)["old"]}
    assert (out / "old").read_text() == "old"


def test_check_target_sweeps_what_killed_builds_left(out: Path) -> None:
    names = [
        ".app.freezer-01234567.tmp",
        ".app.freezer-89abcdef.tmp",
        ".app.freezer-x.tmp",
        ".other.freezer-01234567.tmp",
    ]
    for name in names:
        (out / name).write_text("")
    holder = hold(out / names[1])
    try:
        check_target(out / "app")
    finally:
        holder.communicate("")
    assert sorted(os.listdir(out)) == sorted(names[1:])


@pytest.mark.parametrize("make", ["directory", "file as parent", "long name"])
def test_check_target_refuses(out: Path, make: str) -> None:
    target = out / ("x" * 256 if make == "long name" else "x")
    if make == "directory":
        target.mkdir()
    elif make == "file as parent":
        target.write_text("")
        target = target / "app"
    with pytest.raises(OutputError, match="cannot write"):
        check_target(target)


def test_a_link_to_a_directory_is_no_directory(out: Path) -> None:
    (out / "link").symlink_to(out)
    check_target(out / "link")


def test_digest_file(out: Path) -> None:
    (out / "empty").write_bytes(b"")
    assert digest_file(out / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_earlier_results(tmp_path: Path) -> None:
    """Those may be written over, and come along with no application; a file of the user's may not."""
    bill = render(Bill(Component("application", "app"), (), 0))
    contents = {
        "empty": b"",
        "executable": b"\x7fELF...",
        "cyclonedx": bill,
        "spdx": spdx.render(json.loads(bill), 0),
        "settings": b'{"name": "app"}',
        "text": b"text",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    assert {name for name in contents if is_result(tmp_path / name)} == set(contents) - {"settings", "text"}
