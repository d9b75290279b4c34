"""Choosing what of the cache is to go, and that it goes while others use the rest."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile import SECRET, make_host, state_of
from stores import DAY, HOUR, NOW, Cache, held, pruned

from freezer.base.errors import EnvironmentFailure, ExitStatus, UsageError
from freezer.base.removal import remove_tree
from freezer.cli.main import main
from freezer.store import prune as pruning
from freezer.store.inventory import Item, ItemKind, contents
from freezer.store.prune import Rules, choose, parse_age, parse_size, remove
from freezer.store.workspace import lock_of, sweep

pytestmark = pytest.mark.usefixtures("alone")

HOLD = "import fcntl, os, sys; f = os.open(sys.argv[1], 0); fcntl.flock(f, 1); print(flush=True); sys.stdin.read()"


CHOSEN = {"kinds": frozenset({ItemKind.ROOTS, ItemKind.ENVIRONMENTS})}


def test_what_has_no_lock_is_in_use_while_a_build_runs(cache: Cache) -> None:
    downloads, pip = cache.path / "pip" / "a", cache.path / "env" / "pip-3.8"
    downloads.mkdir()
    pip.mkdir()
    work = cache.work("app-1")
    logs = [cache.log("app-1"), cache.log("other-2")]
    with held(work, fcntl.LOCK_EX):
        assert {item.path for item in contents(cache.path) if item.in_use} == {downloads, pip, work, logs[0]}
        assert pruned(cache, "--all") == {"other-2.log"}
    assert pruned(cache, "--all") == {"a", "pip-3.8", "app-1", "app-1.log"}


def test_without_options_only_litter_goes(cache: Cache, tmp_path: Path) -> None:
    output = tmp_path / "hello"
    output.touch()
    cache.root("whole", hours=9999)
    whole = cache.environment("whole", hours=9999)
    cache.environment("inside", inside=True, python="/no/such/python")
    cache.record("whole", output, whole)
    cache.log("whole-1")
    assert pruned(cache) == set()
    (cache.root("half") / "origin.json").unlink()
    (cache.environment("half") / "complete").unlink()
    cache.toolchain("whole")
    (cache.toolchain("unfinished") / "complete").unlink()
    cache.environment("gone", python="/no/such/python")
    cache.work("dead-1")
    cache.record("no-output", tmp_path / "none", whole)
    cache.record("no-environment", output, tmp_path)
    for name, hours in (("writing.1.new", 1), ("abandoned.1.new", 48)):
        (cache.path / "record" / name).touch()
        cache.used(cache.path / "record" / name, hours)
    expected = {"half", "unfinished", "gone", "dead-1", "no-output.json", "no-environment.json", "abandoned.1.new"}
    assert pruned(cache, "--dry-run") == set()
    assert pruned(cache) == expected


def test_litter_that_is_in_use_stays(cache: Cache) -> None:
    """As an environment that is being made anew."""
    environment = cache.environment("a")
    (environment / "complete").unlink()
    with held(lock_of(environment), fcntl.LOCK_EX):
        assert pruned(cache) == set()
        assert pruned(cache, "--all") == set()
    assert pruned(cache) == {"a"}


def test_links_in_the_cache_lead_nowhere(cache: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs of other systems can put what they like into work directories, environments and pip's downloads."""
    host = make_host(tmp_path / "host")
    environment, root, work = cache.environment("env", inside=True), cache.root("root"), cache.work("app-1")
    downloads = cache.path / "pip" / "key"
    downloads.mkdir()
    for place in (environment / "lib", root / "root/usr/link", work / "tmp/link", downloads / "link"):
        place.symlink_to(host)
    for name in ("pyvenv.cfg", "bin/activate"):
        (environment / name).unlink()
    os.mkfifo(environment / "pyvenv.cfg")
    (environment / "bin/activate").symlink_to(host / "hosts")
    for name in ("roots/link", "env/link", "work/link", "pip/link"):
        (cache.path / name).symlink_to(host)
    for name in ("record/link.json", "log/other.log"):
        (cache.path / name).symlink_to(host / "hosts")
    (work / "tmp").chmod(0o500)
    before = state_of(host)
    assert main(["cache", "list"]) == 0
    assert pruned(cache, "--all") == {"env", "root", "app-1", "key", "link.json", "other.log"}
    assert SECRET not in capsys.readouterr().out
    assert state_of(host) == before


def test_older_than(cache: Cache) -> None:
    cache.root("old", hours=25)
    cache.root("young", hours=23)
    cache.environment("oldest", hours=8 * 24)
    cache.environment("future", hours=-99)
    assert pruned(cache, "--older-than", "1w") == {"oldest"}
    assert pruned(cache, "--older-than", "1d", "--kind", "environments") == set()
    assert pruned(cache, "--older-than", "1d") == {"old"}


def test_all_but_what_is_in_use(cache: Cache) -> None:
    kept, used = cache.root("kept"), cache.toolchain("used")
    cache.root("a")
    cache.environment("b")
    cache.toolchain("c")
    with held(lock_of(kept)), held(lock_of(used)):
        assert pruned(cache, "--all", "--kind", "roots", "--kind", "work") == {"a"}
        assert pruned(cache, "--all", "--kind", "toolchains") == {"c"}
        assert pruned(cache, "--all") == {"b"}
    # The lock files stay: somebody may be waiting for one.
    assert lock_of(cache.path / "roots" / "a").exists()


def test_max_size_takes_the_least_recently_used(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    for name, hours in (("new", 1), ("older", 2), ("oldest", 3)):
        cache.root(name, size=1_000_000, hours=hours)
    assert pruned(cache, "--max-size", "3.5M") == set()
    assert pruned(cache, "--max-size", "2500kB") == {"oldest"}
    with held(lock_of(cache.path / "roots" / "older")):
        assert pruned(cache, "--max-size", "0B") == {"new"}
        assert "1.0 MB are in use and were kept" in capsys.readouterr().err
    assert pruned(cache, "--max-size", "0B") == {"older"}
    assert "in use" not in capsys.readouterr().err


def test_max_size_is_that_of_the_kinds_and_counts_what_goes_anyway() -> None:
    def item(kind: ItemKind, name: str, size: int, age: float, **more: Any) -> Item:
        return Item(kind, Path(name), "", size, NOW - age, more.get("in_use", False), more.get("litter"))

    items = [
        item(ItemKind.ROOTS, "new", 10, 1),
        item(ItemKind.ROOTS, "litter", 10, 2, litter="it is"),
        item(ItemKind.ENVIRONMENTS, "old", 10, 3),
        item(ItemKind.ENVIRONMENTS, "used", 10, 4, in_use=True),
        item(ItemKind.LOGS, "log", 1000, 5),
    ]

    def names(**rules: Any) -> set[str]:
        return {str(chosen.path) for chosen in choose(items, Rules(**rules), NOW)}

    assert names(max_size=30, **CHOSEN) == {"litter"}
    assert names(max_size=29, **CHOSEN) == {"litter", "old"}
    assert names(max_size=0, **CHOSEN) == {"litter", "old", "new"}
    assert names(max_size=20, older_than=2.5, **CHOSEN) == {"litter", "old"}
    assert names(max_size=30) == {"litter", "log"}
    assert names(everything=True) == {"new", "litter", "old", "log"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("12h", 12 * HOUR), ("30d", 30 * DAY), ("2w", 14 * DAY), ("1.5d", 36 * HOUR), ("0d", 0)]
)
def test_ages(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("5G", 5 * 10**9), ("500MB", 5 * 10**8), ("1.5k", 1500), ("4GiB", 4 << 30), ("1Ki", 1024), ("2 T", 2 * 10**12),
     ("0B", 0)],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "30", "d", "30 days", "-1d", "1m", "٣d", "infd"])
def test_no_ages(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="this is not an age") as caught:
        parse_age(text)
    assert "30d" in (caught.value.hint or "")
    assert main(["cache", "prune", f"--older-than={text}"]) == ExitStatus.USAGE
    assert "--older-than" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "5", "G", "-5G", "5 gigabytes", "5X", "1e9B", "٣G"])
def test_no_sizes(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="this is not a size") as caught:
        parse_size(text)
    assert "5G" in (caught.value.hint or "")
    assert main(["cache", "prune", f"--max-size={text}"]) == ExitStatus.USAGE
    assert "--max-size" in capsys.readouterr().err


def test_what_is_taken_into_use_meanwhile_stays(cache: Cache) -> None:
    root, environment, work = cache.root("a", hours=9), cache.environment("b", hours=9), cache.work("c-1")
    log, downloads = cache.log("c-1"), cache.path / "pip" / "d"
    downloads.mkdir()
    items = {item.path: item for item in contents(cache.path)}
    with held(lock_of(root)), held(lock_of(environment)), held(work, fcntl.LOCK_EX):
        for item in items.values():
            assert not remove(cache.path, item)
            assert item.path.exists()
    # A build has come and gone.
    os.utime(root)
    assert not remove(cache.path, items[root])
    for path in (environment, work, log, downloads):
        assert remove(cache.path, items[path])
        assert not remove(cache.path, items[path])


def test_in_use_by_another_process(cache: Cache) -> None:
    root = cache.root("a")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock_of(root))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert pruned(cache, "--all") == set()
    assert pruned(cache, "--all") == {"a"}


def test_trees_that_nobody_may_write_to_or_look_into(cache: Cache) -> None:
    root = cache.root("a")
    closed = root / "root" / "closed"
    (closed / "inner").mkdir(parents=True)
    (closed / "inner").chmod(0)
    closed.chmod(0o500)
    cache.used(root, 1)
    root.chmod(0o500)
    assert pruned(cache, "--all") == {"a"}


KILLED = """
import os, pathlib, signal, sys
from freezer.cli.main import main
from freezer.store import prune

def remove_tree(path):
    assert path.parent.name == "work", path
    next(pathlib.Path(path).rglob("file")).unlink()
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))

prune.remove_tree = remove_tree
sys.exit(main(["cache", "prune", "--all", "--kind", "roots"]))
"""


@pytest.mark.parametrize(("name", "status"), [("SIGKILL", -signal.SIGKILL), ("SIGTERM", ExitStatus.INTERRUPTED)])
def test_ended_in_the_middle_it_leaves_what_the_sweep_removes(cache: Cache, name: str, status: int) -> None:
    roots = [cache.root("a"), cache.root("b")]
    done = subprocess.run([sys.executable, "-c", KILLED, name], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert sum(root.exists() for root in roots) == 1
    # The one that is there is whole, and nobody has a lock.
    assert {item.litter for item in contents(cache.path) if item.kind is ItemKind.ROOTS} == {None}
    (left,) = (cache.path / "work").iterdir()
    assert cache.item(left).litter is not None
    sweep(cache.path / "work")
    assert list((cache.path / "work").iterdir()) == []


def test_a_sweep_leaves_alone_what_is_being_removed(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.root("a")
    seen = []

    def interrupted_by_a_build(path: Path) -> None:
        sweep(cache.path / "work")
        seen.append(path.is_dir())
        with held(lock_of(cache.path / "roots" / "a"), fcntl.LOCK_EX | fcntl.LOCK_NB):
            remove_tree(path)

    monkeypatch.setattr(pruning, "remove_tree", interrupted_by_a_build)
    assert pruned(cache, "--all") == {"a"}
    assert seen == [True]


def test_what_cannot_be_removed_is_said(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    root = cache.root("a")
    item = cache.item(root)
    monkeypatch.setattr(pruning, "remove_tree", lambda _path: None)
    with pytest.raises(EnvironmentFailure, match="cannot remove all of") as caught:
        remove(cache.path, item)
    assert str(cache.path / "work") in (caught.value.why or "")
