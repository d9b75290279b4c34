"""The cache: what is in it, what of that is to go, and that it goes while others use the rest."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import pytest
from support import as_user, compile_c, lacking, need_root

from freezer.base.errors import EnvironmentFailure, ExitStatus, UsageError
from freezer.base.log import Log
from freezer.base.removal import remove_tree
from freezer.cli import cache as command
from freezer.cli.main import main
from freezer.link.launcher import launcher_path
from freezer.link.payload import pack as payload
from freezer.plan.choices import Packing
from freezer.store import entries
from freezer.store import inventory as module
from freezer.store import prune as pruning
from freezer.store.inventory import BLOCK, Item, ItemKind, contents
from freezer.store.prune import Rules, choose, parse_age, parse_size, remove
from freezer.store.workspace import sweep, workspace

HOLD = "import fcntl, os, sys; f = os.open(sys.argv[1], 0); fcntl.flock(f, 1); print(flush=True); sys.stdin.read()"
HOUR, DAY = 3600, 86400
NOW = time.time()
CHOSEN = {"kinds": frozenset({ItemKind.ROOTS, ItemKind.ENVIRONMENTS})}


@contextmanager
def held(path: Path, mode: int = fcntl.LOCK_SH) -> Iterator[None]:
    """Somebody has a lock on ``path``."""
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, mode)
    try:
        yield
    finally:
        os.close(descriptor)


class Cache:
    """A cache as builds leave it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("work", "env", "roots", "pip", "record", "log"):
            (path / name).mkdir(parents=True)

    def used(self, path: Path, hours: float) -> Path:
        os.utime(path, (NOW - hours * HOUR,) * 2)
        return path

    def root(self, key: str, source: str = "debian:bullseye", size: int = 0, hours: float = 0) -> Path:
        home = self.path / "roots" / key
        (home / "root" / "usr").mkdir(parents=True)
        (home / "root" / "usr" / "file").write_bytes(b"x" * size)
        (home / "origin.json").write_text(json.dumps({"source": source, "made": 1}))
        (self.path / "roots" / f"{key}.lock").touch()
        return self.used(home, hours)

    def environment(self, key: str, *, inside: bool = False, python: str = sys.executable, hours: float = 0) -> Path:
        home = self.path / "env" / key
        (home / "bin").mkdir(parents=True)
        (home / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
        (home / "bin" / "python3").symlink_to(python)
        (home / "bin" / "python").symlink_to("python3")
        made = "/freezer/work/environment" if inside else f"{self.path}/work/app-0/environment"
        (home / "bin" / "activate").write_text(f'    export VIRTUAL_ENV="{made}"\n')
        (home / "complete").touch()
        (self.path / "env" / f"{key}.lock").touch()
        return self.used(home, hours)

    def work(self, name: str, hours: float = 0) -> Path:
        home = self.path / "work" / name
        (home / "tmp").mkdir(parents=True)
        return self.used(home, hours)

    def record(self, key: str, output: Path, environment: Path) -> Path:
        path = self.path / "record" / f"{key}.json"
        path.write_text(json.dumps({"output": str(output), "environment": str(environment)}))
        return path

    def log(self, name: str) -> Path:
        path = self.path / "log" / f"{name}.log"
        path.write_text("said\n")
        return path

    def item(self, path: Path) -> Item:
        return next(item for item in contents(self.path) if item.path == path)


@pytest.fixture(autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where launchers of nobody else have anything: in a home, and in places of everybody."""
    place = tmp_path_factory.mktemp("alone")
    for name in ("home", "shared"):
        (place / name).mkdir()
    (place / "shared").chmod(0o1777)
    # Not the one that tests share and undo.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(place / "home"))
        for name in ("FREEZER_CACHE", "TMPDIR"):
            patch.delenv(name, raising=False)
        patch.setattr(entries, "SHARED", (str(place / "shared"),) * 3)
        yield place


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """The user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Cache(tmp_path / "freezer")


def pruned(cache: Cache, *arguments: str, status: int = 0) -> set[str]:
    """What a prune removed: the names of what was there before and is not any more, but for the locks."""
    before = {str(item.path) for item in contents(cache.path)}
    assert main(["cache", "prune", *arguments]) == status
    assert not list((cache.path / "work").glob("*-????????"))
    return {Path(path).name for path in before - {str(item.path) for item in contents(cache.path)}}


def test_the_command_knows_the_kinds() -> None:
    assert [kind.value for kind in ItemKind] == list(command.KINDS)


def test_a_cache_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert contents(tmp_path / "freezer") == []
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["total", "0", "B", f"{tmp_path}/freezer"]
    assert main(["cache", "prune", "--all"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_new_cache_is_empty(tmp_path: Path) -> None:
    with workspace(tmp_path, "app", keep=False, log=Log(stream=io.StringIO())) as job:
        (item,) = (item for item in contents(tmp_path) if item.kind is ItemKind.WORK)
        assert (item.path, item.in_use, item.litter) == (job.work, True, None)
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
    assert cache.item(root).what == "debian:bullseye"
    assert cache.item(own).what == "Python 3.11.2, for hello"
    assert cache.item(inside).what == "Python 3.11.2 of a chroot"
    assert cache.item(record).what == str(output)
    assert (cache.item(pip).kind, cache.item(pip).what) == (ItemKind.PIP, "pip for Python 3.8")
    assert [item.litter for item in contents(cache.path)] == [None] * 5
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
    for lock, path in ((module.lock_of(root), root), (module.lock_of(environment), environment), (work, work)):
        assert not cache.item(path).in_use
        with held(lock, mode):
            assert cache.item(path).in_use
            assert cache.item(path).litter is None
            assert {item.path for item in contents(cache.path) if item.in_use} == {path}


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
    cache.environment("gone", python="/no/such/python")
    cache.work("dead-1")
    cache.record("no-output", tmp_path / "none", whole)
    cache.record("no-environment", output, tmp_path)
    for name, hours in (("writing.1.new", 1), ("abandoned.1.new", 48)):
        (cache.path / "record" / name).touch()
        cache.used(cache.path / "record" / name, hours)
    expected = {"half", "gone", "dead-1", "no-output.json", "no-environment.json", "abandoned.1.new"}
    assert pruned(cache, "--dry-run") == set()
    assert pruned(cache) == expected


def test_litter_that_is_in_use_stays(cache: Cache) -> None:
    """As an environment that is being made anew."""
    environment = cache.environment("a")
    (environment / "complete").unlink()
    with held(module.lock_of(environment), fcntl.LOCK_EX):
        assert pruned(cache) == set()
        assert pruned(cache, "--all") == set()
    assert pruned(cache) == {"a"}


def test_older_than(cache: Cache) -> None:
    cache.root("old", hours=25)
    cache.root("young", hours=23)
    cache.environment("oldest", hours=8 * 24)
    cache.environment("future", hours=-99)
    assert pruned(cache, "--older-than", "1w") == {"oldest"}
    assert pruned(cache, "--older-than", "1d", "--kind", "environments") == set()
    assert pruned(cache, "--older-than", "1d") == {"old"}


def test_all_but_what_is_in_use(cache: Cache) -> None:
    kept = cache.root("kept")
    cache.root("a")
    cache.environment("b")
    with held(module.lock_of(kept)):
        assert pruned(cache, "--all", "--kind", "roots", "--kind", "work") == {"a"}
        assert pruned(cache, "--all") == {"b"}
    # The lock files stay: somebody may be waiting for one.
    assert module.lock_of(cache.path / "roots" / "a").exists()


def test_max_size_takes_the_least_recently_used(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    for name, hours in (("new", 1), ("older", 2), ("oldest", 3)):
        cache.root(name, size=1_000_000, hours=hours)
    assert pruned(cache, "--max-size", "3.5M") == set()
    assert pruned(cache, "--max-size", "2500kB") == {"oldest"}
    with held(module.lock_of(cache.path / "roots" / "older")):
        assert pruned(cache, "--max-size", "0B") == {"new"}
        assert "1.0 MB are in use, and stay" in capsys.readouterr().err
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


def test_dry_run_says_what_would_go(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    root = cache.root("a", size=1_000_000)
    assert pruned(cache, "--all", "--dry-run") == set()
    shown = capsys.readouterr()
    assert shown.out == f"{root}\n"
    assert shown.err == "would free 1.0 MB, 0 B are left\n"
    assert pruned(cache, "--all") == {"a"}
    shown = capsys.readouterr()
    assert shown.out == f"{root}\n"
    assert shown.err == "freed 1.0 MB, 0 B are left\n"


def test_json(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    root = cache.root("a", size=1_000_000, hours=1)
    item = cache.item(root)
    expected = {
        "kind": "roots",
        "name": "a",
        "path": str(root),
        "what": "debian:bullseye",
        "size": item.size,
        "last_used": int(NOW - HOUR),
        "in_use": False,
        "litter": None,
    }
    assert main(["cache", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed == {"cache": str(cache.path), "size": item.size, "items": [expected]}
    assert main(["cache", "prune", "--json", "--all", "-q"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "cache": str(cache.path),
        "dry_run": False,
        "removed": [expected],
        "freed": item.size,
        "left": 0,
        "warnings": [],
    }


def test_table(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    root = cache.root("a", source="/home/ada/\x1b[2Jroot.tar", size=1_000_000, hours=50)
    cache.work("dead-1", hours=3)
    cache.log("x")
    cache.log("y")
    with held(module.lock_of(root)):
        assert main(["cache", "list"]) == 0
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [
        ["KIND", "NAME"],
        ["roots", "a"],
        ["work", "dead-1"],
        ["logs", "2"],
        ["total", "1.0"],
    ]
    assert lines[1][2].split() == "1.0 MB 2 days ago in use /home/ada/?[2Jroot.tar".split()
    assert "3 hours ago  litter  a work directory: nobody works in it any more" in lines[2][2]
    assert "just now" in lines[3][2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "just now"), (119, "just now"), (120, "2 minutes ago"), (7300, "2 hours ago"), (47.9 * HOUR, "47 hours ago"),
     (48 * HOUR, "2 days ago")],
)  # fmt: skip
def test_ages_for_people(seconds: float, text: str) -> None:
    assert command.human_age(seconds) == text


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
    with pytest.raises(UsageError, match="this is no age") as caught:
        parse_age(text)
    assert "30d" in (caught.value.hint or "")
    assert main(["cache", "prune", f"--older-than={text}"]) == ExitStatus.USAGE
    assert "--older-than" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "5", "G", "-5G", "5 gigabytes", "5X", "1e9B", "٣G"])
def test_no_sizes(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="this is no size") as caught:
        parse_size(text)
    assert "5G" in (caught.value.hint or "")
    assert main(["cache", "prune", f"--max-size={text}"]) == ExitStatus.USAGE
    assert "--max-size" in capsys.readouterr().err


def test_all_and_a_choice_contradict_each_other(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    cache.root("a")
    assert pruned(cache, "--all", "--older-than", "1d", status=ExitStatus.USAGE) == set()
    assert "--all" in capsys.readouterr().err


def test_a_cache_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (tmp_path / "freezer").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for words in (["list"], ["prune"]):
        assert main(["cache", *words]) == ExitStatus.ENVIRONMENT
        assert "cannot read the cache" in capsys.readouterr().err


def test_a_cache_of_somebody_else(cache: Cache, tmp_path: Path) -> None:
    need_root()
    cache.path.chmod(0o700)
    staging = tmp_path / "staging"
    staging.mkdir()
    code = "import sys; from freezer.cli.main import main; sys.exit(main(['cache', 'list']))"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*as_user(65534, staging), sys.executable, "-c", code], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == ExitStatus.ENVIRONMENT, done.stderr
    assert "cannot read the cache" in done.stderr
    assert "Permission denied" in done.stderr


def test_what_is_taken_into_use_meanwhile_stays(cache: Cache) -> None:
    root, environment, work = cache.root("a", hours=9), cache.environment("b", hours=9), cache.work("c-1")
    log, downloads = cache.log("c-1"), cache.path / "pip" / "d"
    downloads.mkdir()
    items = {item.path: item for item in contents(cache.path)}
    with held(module.lock_of(root)), held(module.lock_of(environment)), held(work, fcntl.LOCK_EX):
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
        [sys.executable, "-c", HOLD, str(module.lock_of(root))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
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
        with held(module.lock_of(cache.path / "roots" / "a"), fcntl.LOCK_EX | fcntl.LOCK_NB):
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


def test_what_cannot_be_removed_does_not_keep_the_rest(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As files of users that only exist in a namespace, where there is no newuidmap any more."""
    stubborn = cache.root("a", hours=2)
    other = cache.root("b", hours=1)
    monkeypatch.setattr(pruning, "remove_tree", lambda path: None if path.name.startswith("a-") else remove_tree(path))
    assert main(["cache", "prune", "--all"]) == ExitStatus.ENVIRONMENT
    shown = capsys.readouterr()
    assert shown.out == f"{other}\n"
    assert f"warning: cannot remove all of {stubborn}" in shown.err
    (left,) = (cache.path / "work").iterdir()
    monkeypatch.undo()
    assert remove(cache.path, cache.item(left))


def test_a_reader_that_has_gone(cache: Cache) -> None:
    cache.root("a")
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m freezer cache list | true"], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr


# What executables unpacked

IDENTITY, OTHER = "0123456789abcdef" * 4, "f" * 64


def unpacked(home: Path, name: str = IDENTITY, *, hours: float = 0) -> Path:
    """An entry as a launcher makes it."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    entry = home / name
    (entry / "tree").mkdir(parents=True)
    entry.chmod(0o700)
    (entry / "tree" / "program").write_bytes(b"x" * 100_000)
    for file in ("lock", "used", "manifest", "seen"):
        (entry / file).touch(mode=0o600)
    os.utime(entry / "used", (NOW - hours * HOUR,) * 2)
    return entry


def listed(environment: Optional[dict[str, str]] = None) -> list[Item]:
    return entries.entries(entries.homes(environment or dict(os.environ), os.geteuid()), {})


def test_where_launchers_look() -> None:
    places = entries.homes({"FREEZER_CACHE": "/c/", "XDG_CACHE_HOME": "/x", "HOME": "/h", "TMPDIR": "/t"}, 7)
    assert [str(home.path) for home in places] == [
        "/c",
        "/x/freezer/apps",
        "/h/.cache/freezer/apps",
        f"{entries.SHARED[0]}/freezer-7",
        "/t/freezer-7",
    ]
    assert [home.shared for home in places] == [False] * 3 + [True] * 2
    places = entries.homes({"FREEZER_CACHE": "", "XDG_CACHE_HOME": "x", "HOME": "/h", "TMPDIR": entries.SHARED[0]}, 7)
    assert [str(home.path) for home in places] == ["/h/.cache/freezer/apps", f"{entries.SHARED[0]}/freezer-7"]


def test_entries(cache: Cache, alone: Path) -> None:
    first = unpacked(cache.path / "apps", hours=30)
    second = unpacked(alone / "home" / ".cache" / "freezer" / "apps", hours=3)
    third = unpacked(alone / "shared" / f"freezer-{os.geteuid()}", OTHER)
    for name in ("g" * 64, IDENTITY[:-1], ".old-", "note"):
        (first.parent / name).mkdir()
    (first.parent / ("e" * 64)).touch()
    (first.parent / ("d" * 64)).symlink_to(first)
    items = listed()
    assert [item.path for item in items] == [first, second, third]
    assert {(item.kind, item.in_use, item.litter) for item in items} == {(ItemKind.APPS, False, None)}
    assert [round((NOW - item.last_used) / HOUR) for item in items] == [30, 3, 0]
    assert [item.what for item in items] == ["application 0123456789ab"] * 2 + ["application ffffffffffff"]
    assert 100_000 < items[0].size < 150_000


def test_one_directory_by_two_names_is_listed_once(alone: Path, tmp_path: Path) -> None:
    entry = unpacked(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    items = listed({"FREEZER_CACHE": str(tmp_path / "link"), "HOME": str(alone), "XDG_CACHE_HOME": str(tmp_path)})
    assert [item.path for item in items] == [entry]
    (tmp_path / "freezer").symlink_to(".")
    (tmp_path / "apps").symlink_to("real")
    environment = {"FREEZER_CACHE": str(tmp_path / "link"), "XDG_CACHE_HOME": str(tmp_path)}
    assert [item.path for item in listed(environment)] == [entry]


def test_the_executable_is_told_if_a_build_made_it(cache: Cache, tmp_path: Path) -> None:
    records = [payload.Record(payload.Type.EXECUTABLE, "program", data=b"x")]
    identity = payload.write(Path("/bin/true"), records, Packing.NONE, tmp_path / "hello").identity
    entry = unpacked(cache.path / "apps", identity.hex())
    environment = cache.environment("e")
    for key, output in (("1", tmp_path / "hello"), ("2", tmp_path / "gone"), ("3", Path("/bin/true"))):
        cache.record(key, output, environment)
    (item,) = (item for item in command._everything(cache.path) if item.kind is ItemKind.APPS)
    assert (item.path, item.what) == (entry, str(tmp_path / "hello"))


def test_places_that_cannot_be_trusted(alone: Path, tmp_path: Path) -> None:
    home = tmp_path / "above" / "apps"
    entry = unpacked(home)
    environment = {"FREEZER_CACHE": str(home)}
    for place in (entry, home, home.parent):
        mode = place.stat().st_mode
        for bits in (0o020, 0o002):
            place.chmod(mode & 0o7777 | bits)
            assert listed(environment) == []
        place.chmod(mode & 0o7777)
    # As /tmp is; but what is in it must be closed.
    home.parent.chmod(0o1777)
    assert [item.path for item in listed(environment)] == [entry]
    home.chmod(0o1777)
    assert listed(environment) == []
    # A link where others can put one is not followed.
    (alone / "shared" / f"freezer-{os.geteuid()}").symlink_to(unpacked(tmp_path / "mine").parent)
    assert listed({}) == []


def test_what_belongs_to_others_is_not_touched(tmp_path: Path) -> None:
    need_root()
    entry = unpacked(tmp_path / "apps")
    environment = {"FREEZER_CACHE": str(entry.parent)}
    for place in (entry, entry.parent, tmp_path):
        os.chown(place, 12321, -1)
        assert listed(environment) == []
        os.chown(place, 0, -1)
    assert len(listed(environment)) == 1


@pytest.mark.parametrize(("uid_map", "good"), [("0 1000 1\n", True), ("0 0 4294967295\n", False), ("", False)])
def test_the_overflow_user(uid_map: str, good: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a user namespace, root of the host is shown as nobody."""
    monkeypatch.setattr(Path, "read_text", lambda *_args, **_options: uid_map)
    status = os.stat_result((0o040755, 1, 1, 1, entries.NOBODY, 0, 0, 0, 0, 0))
    assert entries.trusted(status, own=False) is good
    assert not entries.trusted(status, own=True)


@pytest.mark.parametrize("lock", ["lock", "used"])
@pytest.mark.parametrize("mode", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_an_entry_in_use(cache: Cache, lock: str, mode: int) -> None:
    entry = unpacked(cache.path / "apps", hours=99)
    (entry / "manifest").unlink()
    with held(entry / lock, mode):
        (item,) = listed()
        assert (item.in_use, item.litter) == (True, None)
        assert main(["cache", "prune", "--all"]) == 0
        assert entry.is_dir()
    assert main(["cache", "prune"]) == 0
    assert os.listdir(cache.path / "apps") == []


def test_looking_takes_the_locks_in_the_order_that_starts_wait_in(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked(cache.path / "apps")
    opened = []
    real = os.open

    def follow(path: Any, flags: int, *more: Any, **options: Any) -> int:
        opened.append(path)
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", follow)
    listed()
    assert [name for name in opened if name in ("lock", "used")] == ["lock", "used"]


def test_litter_of_launchers(cache: Cache) -> None:
    whole = unpacked(cache.path / "apps", "a" * 64, hours=9999)
    half = unpacked(cache.path / "apps", "b" * 64)
    (half / "manifest").unlink()
    old = unpacked(cache.path / "apps", f".old-{'c' * 64}-77")
    empty = cache.path / "apps" / ("d" * 64)
    empty.mkdir(mode=0o700)
    assert {item.path: item.litter for item in listed()} == {
        whole: None,
        half: "it is incomplete",
        old: "its removal was not finished",
        empty: "it is incomplete",
    }
    assert main(["cache", "prune", "--kind", "apps"]) == 0
    assert os.listdir(cache.path / "apps") == [whole.name]


def test_pruning_entries(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    cache.root("a", hours=999)
    old, new = unpacked(cache.path / "apps", hours=50), unpacked(cache.path / "apps", OTHER, hours=1)
    assert main(["cache", "prune", "--older-than", "2d", "--kind", "apps", "--dry-run"]) == 0
    assert main(["cache", "prune", "--older-than", "2d", "--kind", "apps"]) == 0
    assert capsys.readouterr().out == f"{old}\n" * 2
    assert not old.exists() and new.is_dir()
    assert main(["cache", "prune", "--max-size", "0B", "--kind", "apps"]) == 0
    assert os.listdir(cache.path / "apps") == []
    assert pruned(cache, "--all") == {"a"}


def test_an_entry_that_changed_meanwhile_stays(cache: Cache) -> None:
    entry = unpacked(cache.path / "apps", hours=50)
    (item,) = listed()
    os.utime(entry / "used")
    assert not remove(cache.path, item)
    (item,) = listed()
    (entry / "manifest").unlink()
    assert not remove(cache.path, item)
    (item,) = listed()
    (entry / "manifest").touch()
    assert not remove(cache.path, item)
    (item,) = listed()
    entry.rename(entry.with_name(OTHER))
    assert not remove(cache.path, item)
    assert entry.with_name(OTHER).is_dir()


def test_an_entry_is_renamed_before_it_is_removed(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = unpacked(cache.path / "apps")
    (item,) = listed()
    seen = []

    def look(place: Path) -> None:
        seen.append(place.name)
        for lock in ("lock", "used"):
            with pytest.raises(BlockingIOError), held(place / lock, fcntl.LOCK_SH | fcntl.LOCK_NB):
                pass
        (found,) = listed()
        assert (found.in_use, found.litter) == (True, None)

    monkeypatch.setattr(pruning, "remove_tree", look)
    with pytest.raises(EnvironmentFailure, match="cannot remove all of"):
        remove(cache.path, item)
    assert set(seen) == {f".old-{IDENTITY}-{os.getpid()}"}
    assert not entry.exists()
    monkeypatch.undo()
    (left,) = listed({"FREEZER_CACHE": str(cache.path / "apps")})
    assert left.litter == "its removal was not finished"
    assert remove(cache.path, left)
    assert os.listdir(cache.path / "apps") == []


def test_a_start_makes_a_lock_in_what_is_being_removed(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does that had opened the entry before it was renamed."""
    unpacked(cache.path / "apps")
    (item,) = listed()
    times: list[Path] = []

    def remove_but_for_a_lock(place: Path) -> None:
        remove_tree(place)
        if not times:
            times.append(place)
            place.mkdir()
            (place / "lock").touch()

    monkeypatch.setattr(pruning, "remove_tree", remove_but_for_a_lock)
    assert remove(cache.path, item)
    assert os.listdir(cache.path / "apps") == []


def test_entries_in_the_table(cache: Cache, alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unpacked(cache.path / "apps", hours=72)
    elsewhere = unpacked(alone / "shared" / f"freezer-{os.geteuid()}", OTHER)
    with held(elsewhere / "used"):
        assert main(["cache", "list"]) == 0
    _, first, second, _ = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["apps", IDENTITY[:24]]
    assert " ".join(first.split()).endswith("3 days ago application 0123456789ab")
    assert second.split()[:2] == ["apps", OTHER[:24]]
    # How long ago it was made depends on the machine.
    assert " ".join(second.split()).endswith(f"in use application ffffffffffff (in {elsewhere.parent})")
    assert main(["cache", "list", "--json"]) == 0
    names = [item["name"] for item in json.loads(capsys.readouterr().out)["items"]]
    assert names == [IDENTITY, OTHER]


PROGRAM = """
#include <stdio.h>
int main(void) { puts("started"); fflush(stdout); return getchar() == 'x' ? 3 : 4; }
"""


def test_with_the_launcher_itself(cache: Cache, tmp_path: Path) -> None:
    try:
        launcher = launcher_path()
    except EnvironmentFailure as error:
        lacking(str(error))
    program = compile_c(PROGRAM, tmp_path / "program", "-static")
    output = tmp_path / "app"
    records = [payload.Record(payload.Type.EXECUTABLE, "program", source=program)]
    identity = payload.write(launcher, records, Packing.FAST, output).identity.hex()
    output.chmod(0o755)
    for _ in range(2):
        with subprocess.Popen([output], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            (item,) = listed()
            assert (item.path, item.in_use) == (cache.path / "apps" / identity, True)
            assert main(["cache", "prune", "--all"]) == 0
            process.stdin.write(b"x")
            process.stdin.close()
            assert process.wait() == 3
        (item,) = listed()
        assert (item.in_use, item.litter) == (False, None)
        assert main(["cache", "prune", "--all"]) == 0
        assert listed() == []
