"""The files of an image, and entries that exclude each other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from imagefiles import plan

from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.tar import Kind
from freezer.image import contents
from freezer.image.contents import home, layers
from freezer.image.layer import Entry


def base_of(folder: Path, **values: Any) -> dict[str, Entry]:
    base, application = layers(plan(folder, **values), folder / "program", "app")
    assert [entry.name for entry in application.entries] == ["app", "app/app"]
    return {entry.name: entry for entry in base.entries}


def text(entry: Entry) -> str:
    assert isinstance(entry.content, bytes)
    return entry.content.decode()


def test_the_little_that_programs_expect(tmp_path: Path) -> None:
    found = base_of(tmp_path)
    assert set(found) == {
        "etc",
        "tmp",
        *(f"etc/{name}" for name in ("group", "hosts", "nsswitch.conf", "passwd", "protocols", "services")),
    }
    assert text(found["etc/passwd"]).splitlines() == [
        "root:x:0:0:root:/:/sbin/nologin",
        "app:x:65535:65535:app:/tmp:/sbin/nologin",
    ]
    assert text(found["etc/group"]) == "root:x:0:\napp:x:65535:\n"


@pytest.mark.parametrize(
    ("values", "passwd", "group"),
    [
        ({"user": "7:8"}, ["root:x:0:0:root:/:/sbin/nologin", "app:x:7:8:app:/tmp:/sbin/nologin"], ["root", "app"]),
        (
            {"user": "7", "tmp": False},
            ["root:x:0:0:root:/:/sbin/nologin", "app:x:7:7:app:/:/sbin/nologin"],
            ["root", "app"],
        ),
        ({"user": "0"}, ["root:x:0:0:root:/tmp:/sbin/nologin"], ["root"]),
    ],
)  # fmt: skip
def test_users(tmp_path: Path, values: dict[str, Any], passwd: list[str], group: list[str]) -> None:
    found = base_of(tmp_path, **values)
    assert text(found["etc/passwd"]).splitlines() == passwd
    assert [line.partition(":")[0] for line in text(found["etc/group"]).splitlines()] == group
    assert ("tmp" in found) is (home(plan(tmp_path, **values)) == "/tmp")


def test_directories_of_the_user(tmp_path: Path) -> None:
    found = base_of(tmp_path, user="7:8", add_dir=["/var/spool/app:0750"], volume=["/data"], workdir="/work")
    places = {name: (item.mode, item.uid, item.gid) for name, item in found.items() if item.uid or name == "var"}
    assert places["var/spool/app"] == (0o750, 7, 8)
    assert places["data"] == (0o755, 7, 8)
    assert places["var"] == (0o755, 0, 0)


def test_added_trees(tmp_path: Path) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/run").touch(mode=0o700)
    (tmp_path / "tree/data").touch(mode=0o666)
    (tmp_path / "tree/link").symlink_to("sub")
    found = base_of(tmp_path, add_file=["tree:/srv"])
    added = {name: (item.kind, item.mode) for name, item in found.items() if name.startswith("srv")}
    assert added == {
        "srv": (Kind.DIRECTORY, 0o755),
        "srv/sub": (Kind.DIRECTORY, 0o755),
        "srv/sub/run": (Kind.FILE, 0o755),
        "srv/data": (Kind.FILE, 0o644),
        "srv/link": (Kind.SYMLINK, 0o777),
    }
    assert found["srv/link"].content == "sub"
    assert {
        item.mode for name, item in base_of(tmp_path, add_file=["tree:/srv:0640"]).items() if name == "srv/data"
    } == {0o640}


def test_pipes_are_not_added(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree" / "pipe")
    with pytest.raises(InputError, match="pipe is neither a file, a directory nor a symbolic link"):
        base_of(tmp_path, add_file=["tree:/srv"])


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"add_file": ["it:/app/app"]}, "would replace /app/app"),
        ({"add_file": ["it:/app"]}, "would replace /app, the application's"),
        ({"add_file": ["it:/etc/hosts"]}, "/etc/hosts would be in the image twice"),
        ({"add_file": ["it:/etc/hosts/x"]}, "cannot be below /etc/hosts, which is not a directory"),
        ({"add_file": ["it:/tmp"]}, "/tmp would be in the image twice"),
        ({"add_file": ["it:/a/b", "it:/a"]}, "/a would be a directory and something else"),
        ({"add_file": ["it:/data/x", "it:/data"]}, "/data would be a directory and something else"),
    ],
)
def test_entries_that_exclude_each_other(tmp_path: Path, values: dict[str, Any], why: str) -> None:
    (tmp_path / "it").touch()
    with pytest.raises(InputError, match=why):
        base_of(tmp_path, **values)


def test_data_that_this_system_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, _, what = contents.PLACES["locale"]
    monkeypatch.setitem(contents.PLACES, "locale", (place, lambda _root, _target: False, what))
    with pytest.raises(EnvironmentFailure, match=r"the locale C\.UTF-8") as caught:
        base_of(tmp_path, locale=True)
    assert caught.value.hint == "--no-locale"


def test_data_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(_root: Path, target: Path) -> bool:
        (target / "deep").mkdir(parents=True)
        (target / "deep" / "zone").write_text("TZif")
        return True

    place, _, what = contents.PLACES["tzdata"]
    monkeypatch.setitem(contents.PLACES, "tzdata", (place, copy, what))
    assert text(base_of(tmp_path, tzdata=True)["usr/share/zoneinfo/deep/zone"]) == "TZif"
