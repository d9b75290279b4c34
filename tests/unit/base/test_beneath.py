"""Places below a directory that others filled: found as the kernel finds them, and never outside."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.base import beneath
from freezer.base.beneath import (
    kind_of,
    make_file,
    make_folder,
    names_in,
    open_below,
    open_file,
    opened_plain,
    opened_top,
    resolved,
    write_file,
)
from freezer.base.dismantle import FOLDER, PLACE

Refuse = Callable[..., int]
HOST = "what only the host knows"


def no_openat2(code: int) -> Refuse:
    def refuse(*_arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    return refuse


@pytest.fixture(params=["openat2", *beneath.WALK_INSTEAD], ids=lambda item: errno.errorcode.get(item, str(item)))
def top(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A directory beside which the host is, opened with each way to find places."""
    if request.param != "openat2":
        monkeypatch.setattr(beneath, "_openat2", no_openat2(request.param))
    (tmp_path / "host").mkdir()
    (tmp_path / "host/file").write_text(HOST)
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "root/a/b/file").write_text("inside")
    for name, target in {
        "host": str(tmp_path / "host"),
        "hostfile": str(tmp_path / "host/file"),
        "up": "../" * 30,
        "near": "/a/b",
        "chain": "near/../b",
        "circle": "circle",
        "dangling": "nowhere",
    }.items():
        (tmp_path / "root" / name).symlink_to(target)
    os.mkfifo(tmp_path / "root/pipe")
    with opened_top(tmp_path / "root") as descriptor:
        yield descriptor


@pytest.mark.parametrize(
    "path", ["a/b/file", "/a/b/file", "near/file", "chain/file", "up/a/b/file", "a/../../a/b/file"]
)
def test_files(top: int, path: str) -> None:
    with open_file(top, path) as file:
        assert file.read() == b"inside"
    assert kind_of(top, path) == stat.S_IFREG


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("host/file", errno.ENOENT),
        ("hostfile", errno.ENOENT),
        ("../host/file", errno.ENOENT),
        ("up/host/file", errno.ENOENT),
        ("circle", errno.ELOOP),
        ("circle/x", errno.ELOOP),
        ("dangling", errno.ENOENT),
        ("a/b/file/", errno.ENOTDIR),
        ("a/b/file/x", errno.ENOTDIR),
        ("pipe", errno.EINVAL),
        ("a", errno.EINVAL),
        ("", errno.ENOENT),
        ("a\0b", errno.EINVAL),
    ],
)
def test_what_is_no_file(top: int, path: str, code: int) -> None:
    """A pipe is not waited for."""
    with pytest.raises(OSError) as caught:
        open_file(top, path)
    assert caught.value.errno == code


def test_a_link_itself(top: int) -> None:
    descriptor = open_below(top, "circle", PLACE | os.O_NOFOLLOW)
    assert stat.S_ISLNK(os.fstat(descriptor).st_mode)
    os.close(descriptor)
    with pytest.raises(OSError):
        open_below(top, "near", FOLDER)


def test_names(top: int) -> None:
    assert names_in(top, "near/..") == ["b"]
    assert names_in(top, "../..") == names_in(top, "/") == names_in(top, "up")
    with pytest.raises(FileNotFoundError):
        names_in(top, "host")


def test_no_descriptor_stays_open(top: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in ("near/file", "circle", "host/x", "a/b/../..", "a/."):
        kind_of(top, path)
        if path != "circle":
            resolved(top, path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["host", "circle", "dangling", "pipe", "new", "a/b/file"])
def test_what_is_in_the_way_gives_way(top: int, tmp_path: Path, name: str) -> None:
    make_folder(top, f"{name}/deeper")
    assert (tmp_path / "root" / name / "deeper").is_dir()
    assert not (tmp_path / "root" / name).is_symlink()
    make_file(top, f"{name}/deeper/file")
    make_file(top, f"{name}/deeper")
    assert (tmp_path / "root" / name / "deeper").read_text() == ""
    assert os.listdir(tmp_path / "host") == ["file"]


def test_threads_make_the_same_directories(top: int, tmp_path: Path) -> None:
    """Nobody takes away what another one has made, and put something into."""

    def make(number: int) -> None:
        for turn in range(50):
            make_folder(top, f"new-{turn}/below")
            write_file(top, f"new-{turn}/below/{number}", b"")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    for turn in range(50):
        assert sorted(os.listdir(tmp_path / f"root/new-{turn}/below")) == ["0", "1", "2", "3"]


def test_links_to_directories_are_directories(top: int, tmp_path: Path) -> None:
    make_folder(top, "chain/new")
    assert (tmp_path / "root/a/b/new").is_dir()
    make_file(top, "near/file")
    assert (tmp_path / "root/a/b/file").read_text() == "inside"
    make_folder(top, ".")


@pytest.mark.parametrize("name", ["hostfile", "dangling", "pipe", "a/b/file", "a", "new"])
def test_written_files_take_the_place_of_what_is_there(top: int, tmp_path: Path, name: str) -> None:
    write_file(top, name, b"written", 0o755)
    kept = (tmp_path / "root" / name).lstat()
    assert (tmp_path / "root" / name).read_text() == "written"
    assert stat.S_ISREG(kept.st_mode)
    assert kept.st_mode & 0o777 == 0o755
    assert (tmp_path / "host/file").read_text() == HOST


def test_nothing_is_written_through_a_link_that_leads_out(top: int, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_file(top, "host/file", b"written")
    assert (tmp_path / "host/file").read_text() == HOST


def test_plain_places(tmp_path: Path) -> None:
    (tmp_path / "real/folder").mkdir(parents=True)
    (tmp_path / "real/link").symlink_to("folder")
    (tmp_path / "own").symlink_to("real")
    for path, below in (("own", "folder"), ("own", ""), ("real/folder", "")):
        with opened_plain(str(tmp_path / path), below) as found:
            assert stat.S_ISDIR(os.fstat(found).st_mode)
    for below in ("link", "link/x", "folder/../folder/../link"):
        with pytest.raises(OSError), opened_plain(str(tmp_path / "real"), below):
            pass


PARTS = ("..", ".", "a", "b", "near", "up", "chain", "circle", "dangling", "host", "file", "")


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=7), st.booleans())
def test_both_ways_agree(tmp_path_factory: pytest.TempPathFactory, parts: list[str], absolute: bool) -> None:
    """The kernel's and the one that stands in for it find the same, and what ``resolved`` returns is that, too."""
    place = tmp_path_factory.getbasetemp() / "tangled"
    if not place.exists():
        (place / "a/b").mkdir(parents=True)
        (place / "a/b/file").touch()
        for name, target in (("near", "/a/b"), ("a/up", "../../.."), ("chain", "near/../b"), ("circle", "/circle")):
            (place / name).symlink_to(target)
        (place / "dangling").symlink_to("/a/nowhere")
        (place / "a/b/host").symlink_to(place.parent)
    path = "/" * absolute + "/".join(parts)

    def found(way: Callable[[], int]) -> object:
        try:
            descriptor = way()
        except OSError as error:
            return error.errno
        status = os.fstat(descriptor)
        os.close(descriptor)
        return status.st_dev, status.st_ino

    with opened_top(place) as top, pytest.MonkeyPatch.context() as patch:
        kernel = found(lambda: open_below(top, path))
        patch.setattr(beneath, "_openat2", no_openat2(errno.ENOSYS))
        assert found(lambda: open_below(top, path)) == kernel
        if isinstance(kernel, tuple):
            assert found(lambda: os.open(place / resolved(top, path), PLACE | os.O_NOFOLLOW)) == kernel
