"""Roots that are put together: what is made and mounted stays in them, wherever their links lead."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from isolating import inside

HEAD = """
from freezer.base.isolation.interior import Interior, build_dev, build_proc
bind(f"{top}/root", f"{top}/root", 0)
root = Interior(f"{top}/root")
"""


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A root beside the host, with a link to it."""
    for name in ("source", "host", "root/real"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "source/file").write_text("content")
    (tmp_path / "host/file").write_text("precious")
    for name, target in (("out", str(tmp_path / "host")), ("up", "../host"), ("near", "/real"), ("loop", "loop")):
        (tmp_path / "root" / name).symlink_to(target)
    return tmp_path


@pytest.mark.parametrize("name", ["new/x", "out/x", "up/x", "near/x", "loop/x", "real/x"])
@pytest.mark.parametrize("source", ["source", "source/file"])
def test_bound_places(top: Path, name: str, source: str) -> None:
    code = f"""
root.bind(f"{{top}}/{source}", {name!r}, MS_RDONLY)
root.folder({name!r}) if {source!r} == "source" else None
top = root.enter() or "/"
place = "/{name}" + ("/file" if {source!r} == "source" else "")
print(json.dumps([open(place).read(), writable(place)]))
"""
    assert inside(top, HEAD + code) == ["content", False]
    assert os.listdir(top / "host") == ["file"]
    assert (top / "host/file").read_text() == "precious"
    assert stat.S_ISREG((top / "source/file").stat().st_mode)


def test_mounts_of_file_systems(top: Path) -> None:
    """On a link that leads out there is a directory of the root's own, whose mount is the one that gets the flags."""
    code = """
root.folder("out")
root.mount("tmpfs", "out", MS_NOSUID)
root.folder("out/below")
root.mount("tmpfs", "near", MS_NOSUID)
root.remount("near", MS_RDONLY)
root.bind_again("out/below", MS_RDONLY)
print(json.dumps([writable(f"{top}/root/out/new"), writable(f"{top}/root/real/new"),
    writable(f"{top}/root/out/below/new"), root.has("out/new"), root.has("host"), root.has_folder("near")]))
"""
    assert inside(top, HEAD + code) == [True, False, False, True, False, False]
    assert os.listdir(top / "host") == ["file"]


def test_a_step_that_fails_is_named(top: Path) -> None:
    code = """
def failing(do):
    try:
        do()
    except IsolationError as error:
        return str(error)
root.mount("tmpfs", "real", MS_RDONLY)
print(json.dumps([failing(lambda: root.folder("real/x")), failing(lambda: root.symlink("x", "none/x")),
    failing(lambda: root.mount("nosuch", "real", 0)), failing(lambda: root.remount("loop", 0))]))
"""
    assert inside(top, HEAD + code) == [
        "make real/x: Read-only file system",
        "make none/x: No such file or directory",
        "mount nosuch on real: No such device",
        "open loop: Too many levels of symbolic links",
    ]


def test_devices(top: Path) -> None:
    code = """
root.folder("dev")
notes = build_dev(root, "dev")
dev = f"{top}/root/dev"
with open(f"{dev}/zero", "rb") as zero:
    data = zero.read(3)
print(json.dumps([notes, sorted(os.listdir(dev)), data == bytes(3), writable(f"{dev}/new"),
    writable(f"{dev}/shm/new"), writable(f"{dev}/null"), os.readlink(f"{dev}/fd")]))
"""
    notes, names, zero, *can, link = inside(top, HEAD + code)
    missing = {note.split()[1].rstrip(":").rpartition("/")[2] for note in notes}
    assert {"null", "zero", "full", "random", "urandom"} <= set(names)
    assert {"fd", "shm", "stdin", "stdout", "stderr"} <= set(names)
    assert missing <= {"tty"}
    assert zero
    assert can == [False, True, True]
    assert link == "/proc/self/fd"


def test_files(top: Path) -> None:
    """In place of a link that leads out, or over it; the root's own file stays as it is below what covers it."""
    (top / "root/real/file").write_text("own")
    code = """
def read(name):
    with open(f"{top}/root/{name}") as file:
        return file.read()
root.cover("real/file", b"covered")
root.cover("new/x", b"new")
root.file("near/made", b"made")
root.file("out", b"no link")
print(json.dumps([read(name) for name in ("real/file", "new/x", "real/made", "out")]
    + [writable(f"{top}/root/real/file"), sorted(os.listdir(f"{top}/root"))]))
"""
    names = ["loop", "near", "new", "out", "real", "up"]
    assert inside(top, HEAD + code) == ["covered", "new", "made", "no link", False, names]
    assert (top / "root/real/file").read_text() == "own"
    assert os.listdir(top / "host") == ["file"]


def test_processes_alone(top: Path) -> None:
    """What is the host's of /proc is hidden, or cannot be written to."""
    code = """
from freezer.base.isolation.interior import HIDDEN_PROC, READ_ONLY_PROC
from freezer.base.isolation.system import forked
def look():
    root.folder("proc")
    build_proc(root, "proc")
    place = f"{top}/root/proc"
    content = []
    for name in HIDDEN_PROC:
        path = f"{place}/{name}"
        if os.path.isdir(path):
            content += os.listdir(path)
        elif os.path.exists(path):
            content.append(open(path).read())
    paths = [f"{place}/{name}" for name in READ_ONLY_PROC]
    flags = [bool(os.statvfs(path).f_flag & 1) for path in paths if os.path.exists(path)]
    numbers = [name for name in os.listdir(place) if name.isdigit()]
    print(json.dumps([any(content), all(flags), numbers]), flush=True)
os.waitpid(forked(look), 0)
"""
    hidden, read_only, numbers = inside(top, HEAD + code)
    assert (hidden, read_only, numbers) == (False, True, ["1"])


def test_what_is_mounted_below(top: Path) -> None:
    """The flags of a directory are those of all mounts below it, on every kernel."""
    code = """
import ctypes
from freezer.base.isolation import mounts
os.mkdir(f"{top}/source/below dir")
mount("tmpfs", f"{top}/source/below dir", "tmpfs", 0)
root.bind(f"{top}/source", "first", MS_RDONLY | MS_NOSUID | MS_NODEV)
mounts.MOUNT_SETATTR = 9999  # there is no such call
root.bind(f"{top}/source", "second", MS_RDONLY | MS_NOSUID | MS_NODEV)
print(json.dumps([os.statvfs(f"{top}/root/{name}/below dir").f_flag & 7 for name in ("first", "second")]))
"""
    assert inside(top, HEAD + code) == [7, 7]
