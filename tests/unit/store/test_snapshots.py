"""Memory snapshots in entries of launchers: listed apart from these, and removed with all their files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from stores import Cache, listed, unpacked

from freezer.cli.main import main
from freezer.store.entries import Home
from freezer.store.inventory import ItemKind
from freezer.store.snapshots import FORBIDDEN, allow, forbid, with_snapshots

pytestmark = pytest.mark.usefixtures("alone")

GOOD, BAD = "1" * 64, "2" * 64


@pytest.fixture
def entry(cache: Cache) -> Path:
    """An entry with a snapshot, and a note that there must be none."""
    place = unpacked(cache.path / "apps")
    folder = place / "snapshots"
    folder.mkdir(0o700)
    (folder / "lock").touch()
    for kind, size in (("seal", 88), ("written", 16), ("memory", 200_000)):
        (folder / f"{GOOD}.{kind}").write_bytes(bytes(size))
    (folder / f"{BAD}.bad").write_text("the imports started a thread\nmore\n")
    (folder / f"{BAD}.memory.other").touch()
    return place


def test_listed_apart_from_their_entry(entry: Path) -> None:
    (whole,) = listed()
    app, good, bad = with_snapshots([whole])
    assert (app.kind, good.kind, bad.kind) == (ItemKind.APPS, ItemKind.SNAPSHOTS, ItemKind.SNAPSHOTS)
    assert good.path == entry / "snapshots" / f"{GOOD}.memory"
    assert good.what == f"snapshot of {app.what}"
    assert bad.what == f"no snapshot of {app.what}: the imports started a thread"
    assert good.size > 200_000 and app.size + good.size + bad.size == whole.size
    os.utime(entry / "snapshots" / f"{GOOD}.seal", (7, 7))
    assert with_snapshots([whole])[1].last_used == 7


def test_pruned(entry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = entry / "snapshots"
    assert main(["cache", "prune", "--all", "--kind", "snapshots"]) == 0
    assert sorted(capsys.readouterr().out.split()) == [str(folder / f"{GOOD}.memory"), str(folder / f"{BAD}.bad")]
    assert sorted(os.listdir(folder)) == [f"{BAD}.memory.other", "lock"]
    assert (entry / "manifest").exists()


def test_what_others_can_change_is_no_snapshot(entry: Path) -> None:
    (entry / "snapshots").chmod(0o770)
    (whole,) = listed()
    assert with_snapshots([whole]) == [whole]


def test_forbidden_and_allowed(cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert main(["cache", "snapshots", *words]) == 0
        return capsys.readouterr().out

    assert said() == "snapshots are allowed\n"
    note = cache.path / "apps" / FORBIDDEN
    assert said("--forbid") == f"snapshots are forbidden in {note.parent}\n"
    assert note.stat().st_mode & 0o777 == 0o600
    assert said("--forbid") == said()
    assert json.loads(said("--json")) == {"forbidden": [str(note.parent)]}
    assert said("--allow") == said("--allow") == "snapshots are allowed\n"
    assert not note.exists()


def test_where_others_can_write_nothing_is_forbidden(cache: Cache) -> None:
    home = Home(cache.path / "apps", shared=False)
    assert forbid([home]) == [home.path]
    allow([home])
    home.path.chmod(0o770)
    assert forbid([home]) == []
    assert list(home.path.iterdir()) == []
