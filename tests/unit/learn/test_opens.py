"""What the kernel tells of opened files, and what of that nobody else has told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from freezer.learn.facts import Fact, Facts
from freezer.learn.opens import How, Opens, unannounced

READ = "import os, sys\nfor name in sys.argv[1:]: os.close(os.open(name, os.O_RDONLY))\nprint(os.getpid())\n"


def read_in_a_process(*paths: Path) -> int:
    words = [sys.executable, "-c", READ, *map(str, paths)]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("how", [How.PROCESSES, How.FILES])
def test_files_below_the_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: How) -> None:
    for name in ("in/a.txt", "in/deep/er/b ü.txt", "in/unread.txt", "out/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("in")
    if how is How.FILES:
        monkeypatch.setattr(Opens, "_watch_processes", lambda *_: None)
    opens = Opens([tmp_path / "link", tmp_path / "in"])
    number = read_in_a_process(tmp_path / "in/a.txt", tmp_path / "link/deep/er/b ü.txt", tmp_path / "out/c.txt")
    found = opens.stop()
    if os.geteuid() == 0 or how is How.FILES:
        assert opens.how is how
    process = number if opens.how is How.PROCESSES else 0
    assert found == {(str(tmp_path / "in" / name), process) for name in ("a.txt", "deep/er/b ü.txt")}
    assert opens.complete


def test_where_the_kernel_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for way in ("_watch_processes", "_watch_files"):
        monkeypatch.setattr(Opens, way, lambda *_: None)
    opens = Opens([tmp_path])
    (tmp_path / "x").touch()
    assert (opens.stop(), opens.how) == (set(), How.NOT)


def test_events_that_were_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Opens, "_watch_processes", lambda *_: None)
    opens = Opens([tmp_path])
    opens._take_files(b"\xff\xff\xff\xff\x00\x40\x00\x00" + bytes(8))
    opens._take_processes(b"\x18\0\0\0\3\0\x18\0\0\x40\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0")
    assert opens.stop() == set() and not opens.complete


def test_a_limit_of_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from freezer.learn import opens as module

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return (lambda *_: -1) if "add_watch" in name or "mark" in name else getattr(libc, name)

    libc = vars(module)["LIBC"]
    monkeypatch.setattr(module, "LIBC", Refusing())
    before = len(os.listdir("/proc/self/fd"))
    opens = Opens([tmp_path])
    assert (opens.stop(), opens.how) == (set(), How.NOT)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_python_has_announced_is_not_told_again(tmp_path: Path) -> None:
    def fact(kind: str, name: str, more: str = "") -> Fact:
        return Fact(kind, str(tmp_path / name), more, "", 0, False)

    (tmp_path / "link").symlink_to(".")
    facts = Facts(
        (fact("read", "read"), fact("passed", "link/passed"), fact("write", "written"), fact("list", "read.txt"),
         Fact("module", "egg", str(tmp_path / "egg.zip"), "", 0, False)),
        1,
        frozenset((7,)),
    )  # fmt: skip
    names = ("read", "passed", "written", "egg.zip", "mod.py", "mod.pyc", "lib.so.1", "native.bin", "stranger.bin")
    opened = {(str(tmp_path / name), 8 if name.startswith("stranger") else 7) for name in names}
    assert [item.name for item in unannounced(opened, facts)] == [str(tmp_path / "native.bin")]
    assert {item.name for item in unannounced({(path, 0) for path, _ in opened}, facts)} == {
        str(tmp_path / "native.bin"),
        str(tmp_path / "stranger.bin"),
    }
