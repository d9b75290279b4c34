"""``freezer cache``: tables, JSON and messages about the cache, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stores import HOUR, IDENTITY, NOW, OTHER, Cache, held, pruned, unpacked
from support import as_user, need_root

from freezer.base.errors import ExitStatus
from freezer.base.removal import remove_tree
from freezer.cli import cache as command
from freezer.cli.main import main
from freezer.link.payload import pack as payload
from freezer.plan.choices import Packing
from freezer.store import prune as pruning
from freezer.store.inventory import ItemKind, contents
from freezer.store.prune import remove
from freezer.store.workspace import lock_of

pytestmark = pytest.mark.usefixtures("alone")


def test_the_command_knows_the_kinds() -> None:
    assert [kind.value for kind in ItemKind] == list(command.KINDS)


def test_a_cache_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert contents(tmp_path / "freezer") == []
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["total", "0", "B", f"{tmp_path}/freezer"]
    assert main(["cache", "prune", "--all"]) == 0
    assert list(tmp_path.iterdir()) == []


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
    with held(lock_of(root)):
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
    assert "3 hours ago  litter  a work directory: no build uses it any more" in lines[2][2]
    assert "just now" in lines[3][2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "just now"), (119, "just now"), (120, "2 minutes ago"), (7300, "2 hours ago"), (47.9 * HOUR, "47 hours ago"),
     (48 * HOUR, "2 days ago")],
)  # fmt: skip
def test_ages_for_people(seconds: float, text: str) -> None:
    assert command.human_age(seconds) == text


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


def test_the_executable_is_told_if_a_build_made_it(cache: Cache, tmp_path: Path) -> None:
    records = [payload.Record(payload.Type.EXECUTABLE, "program", data=b"x")]
    identity = payload.write(Path("/bin/true"), records, Packing.NONE, tmp_path / "hello").identity
    entry = unpacked(cache.path / "apps", identity.hex())
    environment = cache.environment("e")
    for key, output in (("1", tmp_path / "hello"), ("2", tmp_path / "gone"), ("3", Path("/bin/true"))):
        cache.record(key, output, environment)
    (item,) = (item for item in command._everything(cache.path) if item.kind is ItemKind.APPS)
    assert (item.path, item.what) == (entry, str(tmp_path / "hello"))


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


@pytest.mark.parametrize(
    "words", [["cache"], ["cache", "purge"], ["cache", "prune", "--kind", "root"], ["cache", "list", "--all"]]
)
def test_wrong_words_for_the_cache(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == ExitStatus.USAGE
    assert "usage: freezer" in capsys.readouterr().err
