"""What executables unpacked: found where launchers look, trusted as they trust, and removed while they run."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from stores import HOUR, IDENTITY, NOW, OTHER, Cache, held, listed, pruned, unpacked
from support import compile_c, lacking, need_root

from freezer.base.errors import EnvironmentFailure
from freezer.base.removal import remove_tree
from freezer.cli.main import main
from freezer.link.launcher import launcher_path
from freezer.link.payload import pack as payload
from freezer.plan.choices import Packing
from freezer.store import entries
from freezer.store import prune as pruning
from freezer.store.inventory import ItemKind
from freezer.store.prune import remove

pytestmark = pytest.mark.usefixtures("alone")


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
