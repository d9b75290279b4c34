"""What is started of an image: its configuration, with what the caller wants instead."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer.base.errors import InputError
from freezer.image.merged import SEARCH_PATH
from freezer.run.container import Container, Scratch, container_of, network_files
from freezer.run.wanted import Network, Volume, Wanted


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("tmp", "var", "etc", "data/below", "proc", "dev"):
        (root / name).mkdir(parents=True)
    (root / "etc/passwd").write_text("app:x:1000:1001::/home/app:\n")
    for name, target in (("out", "/../.."), ("link", "/data/below"), ("run", "/var"), ("deep", "link"), ("p", "proc")):
        (root / name).symlink_to(target)
    (root / "var/tmp").symlink_to("../tmp")
    (root / "loop").symlink_to("loop")
    return root


def container(
    root: Path, settings: Optional[dict[str, Any]] = None, terminal: Optional[str] = None, **wanted: Any
) -> Container:
    return container_of({"config": {"Cmd": ["/app"], **(settings or {})}}, Wanted(**wanted), root, terminal)


@pytest.mark.parametrize(
    ("settings", "wanted", "argv"),
    [
        ({"Cmd": ["a", "b"]}, {}, ["a", "b"]),
        ({"Cmd": ["a", "b"]}, {"arguments": ("x",)}, ["x"]),
        ({"Entrypoint": ["e", "1"], "Cmd": ["a"]}, {}, ["e", "1", "a"]),
        ({"Entrypoint": ["e", "1"], "Cmd": ["a"]}, {"arguments": ("x", "y")}, ["e", "1", "x", "y"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {"entrypoint": "f"}, ["f"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {"entrypoint": "f", "arguments": ("x",)}, ["f", "x"]),
        ({"Entrypoint": ["e"], "Cmd": ["a"]}, {"entrypoint": "", "arguments": ("x",)}, ["x"]),
        ({"Entrypoint": None, "Cmd": ["a"]}, {}, ["a"]),
        ({"Entrypoint": "no list", "Cmd": ["a"]}, {}, ["a"]),
    ],
)
def test_commands(root: Path, settings: dict[str, Any], wanted: dict[str, Any], argv: list[str]) -> None:
    assert list(container(root, settings, **wanted).argv) == argv


def test_variables(root: Path) -> None:
    """The caller's come before the image's, and these before what engines give."""
    assert container(root).environment == {"PATH": SEARCH_PATH, "HOME": "/"}
    image = {"Env": ["A=1", "B=x=y", "HOME=/image", "=bad", "N"], "User": "app"}
    found = container(root, image, "xterm", environment={"A": "2"}, hostname="box").environment
    assert found == {
        "PATH": SEARCH_PATH,
        "HOSTNAME": "box",
        "TERM": "xterm",
        "HOME": "/image",
        "A": "2",
        "B": "x=y",
        "N": "",
    }
    assert container(root, {"User": "app"}).environment["HOME"] == "/home/app"


def test_user_and_directory(root: Path) -> None:
    found = container(root, {"User": "app", "WorkingDir": "/work/../srv"})
    assert (found.user, found.group, found.directory) == (1000, 1001, "/srv")
    found = container(root, {"User": "app", "WorkingDir": "/work"}, user="5:6", directory="/x")
    assert (found.user, found.group, found.directory) == (5, 6, "/x")
    assert container(root, {"User": 7, "WorkingDir": ["x"]}).user == 0


def test_directories_in_memory(root: Path) -> None:
    """Each once, wherever links lead; a volume of the caller's takes the place of one of them."""
    image: dict[str, Any] = {"Volumes": {"/deep": {}, "/new/place": {}, "/tmp": {}}}
    assert container(root, image).scratches == (
        Scratch("tmp", 0o1777, True),
        Scratch("var", 0o755, False),
        Scratch("data/below", None, True),
        Scratch("new/place", None, False),
    )
    volume = Volume(Path("/etc"), "link", False)
    found = container(root, image, volumes=(volume,))
    assert found.volumes == (Volume(Path("/etc"), "data/below", False),)
    assert "data/below" not in [item.place for item in found.scratches]


@pytest.mark.parametrize(
    ("settings", "wanted", "message"),
    [
        ({"Cmd": []}, {}, "states no command"),
        ({"Cmd": [""]}, {}, "states no command"),
        ({"Cmd": {"a": 1}}, {}, "states no command"),
        ({"Cmd": ["a\0b"]}, {}, "null byte"),
        ({"Cmd": ["a"] * 20_000}, {}, "too long"),
        ({"Cmd": ["a" * (2 << 20)]}, {}, "too long"),
        ({"User": "nobody"}, {}, "no user 'nobody'"),
        ({"WorkingDir": "work"}, {}, "not an absolute path"),
        ({"Volumes": {"/": {}}}, {}, "volume '/' is not possible"),
        ({"Volumes": {"/proc/1": {}}}, {}, "is not possible"),
        ({"Volumes": {"../x": {}}}, {}, "is not possible"),
        ({"Volumes": {"/p/1": {}}}, {}, "nothing can be put at /p/1"),
        ({"Volumes": {"/out": {}}}, {}, "nothing can be put at /out"),
        ({"Volumes": {"/loop/x": {}}}, {}, "nothing can be put at /loop/x"),
        ({}, {"volumes": (Volume(Path("/etc"), "p/x", True),)}, "nothing can be put at /p/x"),
    ],
)
def test_what_is_not_possible(root: Path, settings: dict[str, Any], wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        container(root, settings, **wanted)


@pytest.mark.parametrize("config", [{}, {"config": None}, {"config": []}, {"config": {"Env": 1, "Volumes": [1]}}])
def test_configurations_of_another_kind(root: Path, config: dict[str, Any]) -> None:
    found = container_of(config, Wanted(arguments=("x",)), root, None)
    assert found.argv == ("x",)


def test_files_of_the_network() -> None:
    name = os.uname().nodename
    files = network_files(Wanted(network=Network.NONE), set())
    assert files["etc/hosts"] == (f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 {name}\n")
    assert (files["etc/resolv.conf"], files["etc/hostname"]) == ("", f"{name}\n")
    own = network_files(Wanted(hostname="box"), set())
    assert own["etc/hosts"].endswith("\n127.0.1.1 box\n")
    assert own["etc/hostname"] == "box\n"
    if Path("/etc/resolv.conf").exists():
        assert own["etc/resolv.conf"] == Path("/etc/resolv.conf").read_text()
    assert set(network_files(Wanted(), {"etc/hosts"})) == {"etc/resolv.conf", "etc/hostname"}
    assert network_files(Wanted(), {"etc"}) == {}
