"""The words of the command line, which are docker's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from freezer.base.errors import FreezerError
from freezer.run.wanted import Limits, Network, Volume, Wanted, parse_memory, place_of, wanted_of


def wanted(folder: Path, **given: Any) -> Wanted:
    return wanted_of(given, folder, {"HOME": "/home/ada", "EMPTY": ""})


def test_nothing_is_what_the_image_states(tmp_path: Path) -> None:
    assert wanted(tmp_path) == Wanted()
    assert not Wanted().limits


def test_variables(tmp_path: Path) -> None:
    """Those of files come first; a name alone passes on the caller's."""
    (tmp_path / "env").write_text("# comment\n\nA=file\n  B=x = y \nHOME\nMISSING\n")
    env = ["A=option", "EMPTY", "NONE", "C=", "D=a=b"]
    found = wanted(tmp_path, env=env, env_file=["env"]).environment
    assert found == {"A": "option", "B": "x = y ", "HOME": "/home/ada", "EMPTY": "", "C": "", "D": "a=b"}


def test_volumes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "file").write_text("")
    items = ["./data:/data", f"{tmp_path}/file:/etc/app//x/../file:ro", "./data:/other/:ro,Z", ".:/here:rw"]
    assert wanted(tmp_path, volume=items).volumes == (
        Volume(tmp_path / "data", "data", True),
        Volume(tmp_path / "file", "etc/app/file", False),
        Volume(tmp_path / "data", "other", False),
        Volume(tmp_path, "here", True),
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"publish": ["80:80"]}, "-p 80:80: there are no ports to publish"),
        ({"detach": True}, "-d: freezer run stays in the foreground"),
        ({"workdir": "work"}, "--workdir work: this is not an absolute path"),
        ({"hostname": "a b"}, "--hostname a b"),
        ({"hostname": "-a"}, "--hostname -a"),
        ({"hostname": "a" * 65}, "--hostname aaa"),
        ({"env": ["=x"]}, "there is no name"),
        ({"env": ["A=\0"]}, "there is no name"),
        ({"env_file": ["no-such"]}, "cannot be read"),
        ({"volume": ["data:/data"]}, "no volumes with names"),
        ({"volume": ["./no-such:/data"]}, "does not exist"),
        ({"volume": ["./:data"]}, "nothing can be put at data"),
        ({"volume": ["./:/"]}, "nothing can be put at /"),
        ({"volume": ["./:/data/.."]}, "nothing can be put at /data/.."),
        ({"volume": ["./:/proc/x"]}, "nothing can be put at /proc"),
        ({"volume": ["./:/dev"]}, "nothing can be put at /dev"),
        ({"volume": ["./:/a/../dev/shm"]}, "nothing can be put at"),
        ({"volume": ["./:/a", "./:/b/../a"]}, "another volume"),
        ({"volume": ["./:/a:rx"]}, "'rx' is not an option"),
        ({"volume": ["./"]}, "not SOURCE:DEST"),
        ({"volume": [":/a"]}, "not SOURCE:DEST"),
        ({"volume": ["./:/a:ro:x"]}, "not SOURCE:DEST"),
        ({"memory": "5m"}, "--memory 5m"),
        ({"memory": "many"}, "--memory many"),
        ({"memory": "-1"}, "--memory -1"),
        ({"pids_limit": "0"}, "--pids-limit 0"),
        ({"pids_limit": "٣"}, "--pids-limit"),
        ({"cpus": "0"}, "--cpus 0"),
        ({"cpus": ""}, "--cpus"),
        ({"cpus": "."}, "--cpus"),
        ({"cpus": "1e9"}, "--cpus 1e9"),
    ],
)
def test_what_is_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(FreezerError) as caught:
        wanted(tmp_path, **given)
    assert message in caught.value.what


def test_limits(tmp_path: Path) -> None:
    given = wanted(tmp_path, memory="1.5g", pids_limit="100", cpus="0.5", network="none")
    assert given.limits == Limits(3 << 29, 100, 0.5)
    assert given.network is Network.NONE
    assert not wanted(tmp_path, pids_limit="-1").limits


@pytest.mark.parametrize(
    ("text", "size"),
    [("6m", 6 << 20), ("10000000", 10_000_000), ("1G", 1 << 30), ("512MiB", 512 << 20), ("9mb", 9 << 20)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    ("path", "place"), [("/a", "a"), ("//a/./b/", "a/b"), ("/devices", "devices"), ("a", None), ("/../..", None)]
)
def test_places(path: str, place: str) -> None:
    assert place_of(path) == place
