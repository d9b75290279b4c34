"""Directories: held, swept, and outputs that appear whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support import snapshot

from freezer.base.errors import EnvironmentFailure, OutputError
from freezer.base.log import Log
from freezer.base.publish import check_target, digest_file, full_disk, publish
from freezer.base.removal import remove_tree
from freezer.store import workspace as module
from freezer.store.workspace import locked, sweep, workspace

HOLD = "import fcntl, os, sys; f = os.open(sys.argv[1], 0); fcntl.flock(f, 2); print(flush=True); sys.stdin.read()"


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


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that holds a lock on ``path``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_workspace_comes_and_goes(tmp_path: Path) -> None:
    with workspace(tmp_path / "cache", "app", keep=False, log=Log(stream=io.StringIO())) as job:
        assert job.work.parent == tmp_path / "cache" / "work"
        assert stat.S_IMODE(job.work.stat().st_mode) == 0o700
        assert job.folder("a") == job.folder("a") == job.work / "a"
        (job.folder("a") / "read-only").mkdir(mode=0o500)
        job.build_log.append("said")
        log = job.build_log.path
    assert list((tmp_path / "cache" / "work").iterdir()) == []
    assert log.read_text() == "said\n"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(job.held)


def test_workspace_goes_with_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError), workspace(tmp_path, "app", keep=False, log=Log(stream=io.StringIO())):
        raise KeyError
    assert list((tmp_path / "work").iterdir()) == []


def test_workspace_is_kept_on_request(tmp_path: Path) -> None:
    with workspace(tmp_path, "app", keep=True, log=Log(stream=io.StringIO())) as job:
        pass
    assert job.work.is_dir()


def test_cache_that_is_a_file(source: Path) -> None:
    with (
        pytest.raises(EnvironmentFailure, match="cannot work in") as caught,
        workspace(source, "app", keep=False, log=Log(stream=io.StringIO())),
    ):
        pass
    assert "XDG_CACHE_HOME" in (caught.value.hint or "")


def test_sweep_spares_the_living(tmp_path: Path) -> None:
    for name in ("dead", "alive", "other"):
        (tmp_path / name / "deep").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("other")
    holder = hold(tmp_path / "alive")
    try:
        sweep(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["alive", "file", "link"]
    finally:
        holder.communicate("")
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_sweep_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "link").symlink_to(tmp_path / "precious")
    sweep(tmp_path / "work")
    assert (tmp_path / "precious").is_dir()


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


def test_locked(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path) as descriptor:
        os.fstat(descriptor)
        code = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], 0), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, check=False)
        assert b"BlockingIOError" in done.stderr
    with locked(path):
        pass


def test_old_logs_go(tmp_path: Path) -> None:
    for _ in range(module.KEPT_LOGS + 3):
        with workspace(tmp_path, "app", keep=False, log=Log(stream=io.StringIO())):
            pass
    assert len(list((tmp_path / "log").iterdir())) == module.KEPT_LOGS


# Publishing


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


def test_full_disk_names_the_mount() -> None:
    error = full_disk(OSError(errno.ENOSPC, "full"), Path("/proc/self/fd"))
    assert error.what == "no space left on /proc"
    assert full_disk(OSError(errno.ENOSPC, "full"), Path("/no/such/place")).what == "no space left on /"


def test_digest_file(out: Path) -> None:
    (out / "empty").write_bytes(b"")
    assert digest_file(out / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
