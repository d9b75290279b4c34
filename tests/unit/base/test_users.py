"""Which users a user namespace can have."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from freezer.base.isolation import users as module
from freezer.base.isolation.system import IsolationError
from freezer.base.isolation.users import RANGE, map_one_user, subordinate_maps, subordinate_start

NAME = pwd.getpwuid(os.getuid()).pw_name
UNKNOWN = 1_999_999_999


@pytest.mark.parametrize(
    ("text", "start"),
    [
        (f"{NAME}:100000:{RANGE}\n", 100000),
        (f"{os.getuid()}:200000:{RANGE + 1}\n", 200000),
        (f"other:1:{RANGE}\n\n# a comment\n{NAME}:300000:{RANGE}\n{NAME}:400000:{RANGE}\n", 300000),
        (f"{NAME}:100000:{RANGE - 1}\n", None),
        (f"{NAME}x:100000:{RANGE}\n", None),
        (f"{NAME}:100000\n", None),
        (f"{NAME}:many:{RANGE}\n", None),
        ("", None),
    ],
)
def test_the_first_of_enough(tmp_path: Path, text: str, start: int | None) -> None:
    (tmp_path / "subuid").write_text(text)
    assert subordinate_start(str(tmp_path / "subuid"), os.getuid()) == start


def test_a_user_without_a_name(tmp_path: Path) -> None:
    (tmp_path / "subuid").write_text(f"{UNKNOWN}:5:{RANGE}\n")
    assert subordinate_start(str(tmp_path / "subuid"), UNKNOWN) == 5
    assert subordinate_start(str(tmp_path / "none"), UNKNOWN) is None


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("newuidmap", "newgidmap"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_maps(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = {"/etc/subuid": 100000, "/etc/subgid": 200000}
    monkeypatch.setattr(module, "subordinate_start", lambda file, _uid: starts.get(file))
    assert subordinate_maps(7, 8) == {
        str(programs / "newuidmap"): ["0", "7", "1", "1", "100000", str(RANGE)],
        str(programs / "newgidmap"): ["0", "8", "1", "1", "200000", str(RANGE)],
    }
    del starts["/etc/subgid"]
    assert subordinate_maps(7, 8) == {}
    starts["/etc/subgid"] = 200000
    (programs / "newgidmap").unlink()
    assert subordinate_maps(7, 8) == {}


def test_outside_of_a_new_namespace_nothing_can_be_mapped() -> None:
    """The kernel takes a map once; a process of an old namespace has had its own."""
    with pytest.raises(IsolationError, match="/proc/self/"):
        map_one_user((0, os.getuid()), (0, os.getgid()))
