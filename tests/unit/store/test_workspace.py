"""Directories of the cache: held, swept, and gone with their jobs."""

from __future__ import annotations

import io
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import hold

from freezer.base.errors import EnvironmentFailure
from freezer.base.log import Log
from freezer.store import workspace as module
from freezer.store.home import cache_root
from freezer.store.workspace import locked, put_in_place, sweep, workspace


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


def test_an_item_is_replaced_as_a_whole(tmp_path: Path) -> None:
    home = tmp_path / "cache" / "env" / "item"
    with workspace(tmp_path / "cache", "app", keep=False, log=Log(stream=io.StringIO())) as job:
        for name in ("first", "second"):
            made = job.folder("made")
            (made / name).touch()
            put_in_place(made, home, job)
            assert [path.name for path in home.iterdir()] == [name]
        assert [path.name for path in (job.work / "replaced" / "item").iterdir()] == ["first"]
    assert list((tmp_path / "cache" / "work").iterdir()) == []


def test_cache_that_is_a_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.touch()
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
        with workspace(tmp_path, "app", keep=False, log=Log(stream=io.StringIO())) as job:
            job.build_log.append("a tool")
    assert len(list((tmp_path / "log").iterdir())) == module.KEPT_LOGS
    with workspace(tmp_path, "app", keep=False, log=Log(stream=io.StringIO())) as job:
        assert job.build_log.path.exists()
    assert not job.build_log.path.exists()


def test_logs_that_another_build_removes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").mkdir()
    listed = Path.glob

    def glob(folder: Path, pattern: str) -> Iterator[Path]:
        for path in list(listed(folder, pattern)):
            path.unlink()
            yield path

    for name in ("one", "other"):
        (tmp_path / "log" / f"{name}.log").touch()
    monkeypatch.setattr(Path, "glob", glob)
    with workspace(tmp_path, "app", keep=False, log=Log(stream=io.StringIO())) as job:
        assert job.build_log.path.parent == tmp_path / "log"


def test_what_a_killed_build_left_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is removed without the lock of all builds, and without holding back signals; others leave it alone."""
    (tmp_path / "work" / "dead-12345678").mkdir(parents=True)
    seen: list[str] = []

    def remove(path: Path) -> None:
        if path.name.startswith("dead"):
            assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
            monkeypatch.setattr(module, "remove_tree", seen.append)
            with workspace(tmp_path, "other", keep=True, log=Log(stream=io.StringIO())) as job:
                seen.append(job.work.name)
            monkeypatch.setattr(module, "remove_tree", remove)

    monkeypatch.setattr(module, "remove_tree", remove)
    with workspace(tmp_path, "own", keep=True, log=Log(stream=io.StringIO())):
        pass
    assert [name.split("-")[0] for name in seen] == ["other"]


def test_a_cache_named_with_dots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also behind a link, where the directory above is another one than the path shows."""
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/deep")
    monkeypatch.setenv("XDG_CACHE_HOME", f"{tmp_path}/link/../cache")
    assert cache_root() == tmp_path / "real" / "cache" / "freezer"
    with workspace(cache_root(), "app", keep=False, log=Log(stream=io.StringIO())) as job:
        assert job.folder("tmp").is_dir()
