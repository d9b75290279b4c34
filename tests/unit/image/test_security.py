"""The rules for images where rules are strict: every broken one is named, and none besides."""

from __future__ import annotations

from typing import Any

import pytest

from freezer.base import tar
from freezer.base.oci.documents import Image
from freezer.image.merged import MergedRoot
from freezer.image.security import security_problems

GOOD = {"User": "1000:1000", "Cmd": ["/run"]}


def problems(settings: Any, *members: tar.Member) -> list[str]:
    root = MergedRoot()
    for item in (member("run", mode=0o755), *members):
        root.put(item.name, item)
    return list(security_problems(Image(None, "sha256:c", {"config": settings}, (), (), {}), root))


def member(name: str, kind: tar.Kind = tar.Kind.FILE, mode: int = 0o644, uid: int = 0, gid: int = 0) -> tar.Member:
    return tar.Member(name, kind, 0, mode, uid, gid, 0, "")


def test_good() -> None:
    folder = member("tmp", tar.Kind.DIRECTORY, 0o1777)
    assert problems(GOOD, folder, member("link", tar.Kind.SYMLINK, 0o777)) == []


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ("", "it runs as root: the user must be a number other than 0"),
        (None, "it runs as root: the user must be a number other than 0"),
        ("0", "it runs as root: the user must be a number other than 0"),
        ("00:5", "it runs as root: the user must be a number other than 0"),
        ("app", "it runs as app: the user must be a number other than 0"),
        ("-1", "it runs as -1: the user must be a number other than 0"),
        ("1:app", "it runs as 1:app: the user must be a number other than 0"),
    ],
)
def test_users(user: Any, why: str) -> None:
    assert problems({**GOOD, "User": user}) == [why]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (member("su", mode=0o4755), "/su is setuid or setgid (mode 4755)"),
        (member("sg", mode=0o2755), "/sg is setuid or setgid (mode 2755)"),
        (member("null", tar.Kind.CHARACTER_DEVICE), "/null is a device"),
        (member("sda", tar.Kind.BLOCK_DEVICE), "/sda is a device"),
        (member("w", mode=0o666), "/w is writable by everybody (mode 0666)"),
        (member("var/tmp", tar.Kind.DIRECTORY, 0o1777), "/var/tmp is writable by everybody (mode 1777)"),
    ],
)
def test_entries(bad: tar.Member, why: str) -> None:
    assert problems(GOOD, bad) == [why]


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "can"),
    [
        (0o755, 0, 0, True),
        (0o700, 0, 0, False),
        (0o700, 1000, 0, True),
        (0o055, 1000, 0, False),
        (0o750, 0, 1000, True),
        (0o644, 1000, 1000, False),
    ],
)
def test_who_may_execute_the_program(mode: int, uid: int, gid: int, can: bool) -> None:
    found = problems(GOOD, member("run", mode=mode, uid=uid, gid=gid))
    expected = f"its command '/run' cannot be executed by user 1000 (mode {mode:04o})"
    assert found == ([] if can else [expected])


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"User": "1"}, "it has neither an entrypoint nor a command"),
        ({"User": "1", "Cmd": []}, "it has neither an entrypoint nor a command"),
        ({"User": "1", "Cmd": ["/gone"]}, "its command '/gone' is not in it"),
        ({"User": "1", "Entrypoint": ["gone"], "Cmd": ["/run"]}, "its command 'gone' is not in it"),
    ],
)
def test_commands(settings: dict[str, Any], why: str) -> None:
    assert problems(settings) == [why]


@pytest.mark.parametrize("settings", [None, [], "x", {}])
def test_settings_that_are_none(settings: Any) -> None:
    assert problems(settings) == [
        "it runs as root: the user must be a number other than 0",
        "it has neither an entrypoint nor a command",
    ]
