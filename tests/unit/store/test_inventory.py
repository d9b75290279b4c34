"""The cache: what is in it, how big it is, and who uses it."""

from __future__ import annotations

import fcntl
import io
import os
from pathlib import Path

import pytest
from stores import HOUR, NOW, Cache, held

from freezer.base.log import Log
from freezer.store.inventory import BLOCK, ItemKind, contents
from freezer.store.workspace import lock_of, workspace

pytestmark = pytest.mark.usefixtures("alone")


def test_a_new_cache_is_empty(tmp_path: Path) -> None:
    with workspace(tmp_path, "app", keep=False, log=Log(stream=io.StringIO())) as job:
        (item,) = (item for item in contents(tmp_path) if item.kind is ItemKind.WORK)
        assert (item.path, item.in_use, item.litter) == (job.work, True, None)
        job.build_log.append("a tool")
    assert [item.kind for item in contents(tmp_path)] == [ItemKind.LOGS]


def test_what_things_are(cache: Cache, tmp_path: Path) -> None:
    output = tmp_path / "hello"
    output.touch()
    root = cache.root("1" * 24)
    own = cache.environment("2" * 24)
    inside = cache.environment("3" * 24, inside=True, python="/no/such/python")
    record = cache.record("4" * 24, output, own)
    pip = cache.path / "env" / "pip-3.8"
    pip.mkdir()
    toolchain = cache.toolchain("5" * 24)
    assert cache.item(root).what == "debian:bullseye"
    assert cache.item(own).what == "Python 3.11.2, for hello"
    assert cache.item(inside).what == "Python 3.11.2 of a chroot"
    assert cache.item(record).what == str(output)
    assert (cache.item(pip).kind, cache.item(pip).what) == (ItemKind.PIP, "pip for Python 3.8")
    assert (cache.item(toolchain).kind, cache.item(toolchain).what) == (
        ItemKind.TOOLCHAINS,
        "PyInstaller for Python 3.11",
    )
    assert [item.litter for item in contents(cache.path)] == [None] * 6
    (root / "origin.json").write_text("[]")
    (own / "pyvenv.cfg").unlink()
    assert cache.item(root).what == "unknown"
    assert cache.item(own).what == "unknown, for hello"


def test_locks_and_links_are_nothing_to_list(cache: Cache, tmp_path: Path) -> None:
    (cache.path / "roots" / "a.lock").touch()
    (cache.path / "roots" / "b").symlink_to(tmp_path)
    (cache.path / "unknown").mkdir()
    assert contents(cache.path) == []


def test_sizes_are_those_on_disk_and_links_count_once(cache: Cache) -> None:
    root = cache.root("a", size=1_000_000)
    alone = cache.item(root).size
    assert alone == sum(path.stat().st_blocks for path in (root, *root.rglob("*"))) * BLOCK
    usr = root / "root" / "usr"
    os.link(usr / "file", usr / "other-name")
    (usr / "link").symlink_to("/usr")
    with open(usr / "hole", "wb") as file:
        file.truncate(10**9)
    assert 1_000_000 < alone < 1_100_000
    assert alone <= cache.item(root).size < alone + 10_000


def test_last_used(cache: Cache) -> None:
    root, environment = cache.root("a", hours=50), cache.environment("b", hours=3)
    downloads = cache.path / "pip" / "c"
    (downloads / "http").mkdir(parents=True)
    (downloads / "http" / "file").touch()
    cache.used(downloads / "http", 9)
    cache.used(downloads, 10)
    cache.used(downloads / "http" / "file", 8)
    hours = {item.path: round((NOW - item.last_used) / HOUR) for item in contents(cache.path)}
    assert hours == {root: 50, environment: 3, downloads: 8}


@pytest.mark.parametrize("mode", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_in_use(cache: Cache, mode: int) -> None:
    root, environment, work = cache.root("a"), cache.environment("b"), cache.work("c-1")
    for lock, path in ((lock_of(root), root), (lock_of(environment), environment), (work, work)):
        assert not cache.item(path).in_use
        with held(lock, mode):
            assert cache.item(path).in_use
            assert cache.item(path).litter is None
            assert {item.path for item in contents(cache.path) if item.in_use} == {path}
