"""The inside of executables, as staticx links them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reports import MODULES, pack

from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.inspect.executable import architecture, inspect_executable, parse_listing, read_notes
from freezer.inspect.look import inspect
from freezer.inspect.report import Item, OwnPart
from freezer.link.parts import APPLICATION, LIBRARY, PACKAGE, RUNTIME, STANDARD
from freezer.prove.unpack import find_archive


def start_size(path: Path) -> int:
    place = find_archive(path)
    assert place is not None
    return path.stat().st_size - place[1]


def test_one_directory(link: Callable[..., Path], tmp_path: Path, job: Job) -> None:
    files = {
        "tool": pack(tmp_path / "pack", {}, MODULES),
        "libc.so.6": b"c" * 11,
        "libnssfix.so": b"n",
        "ld-linux-x86-64.so.2": b"l" * 7,
        ".freezer.json": b"{}",
        "_internal/base_library.zip": b"z" * 13,
        "_internal/greeter/data.txt": b"d" * 17,
        "_internal/templates/page.html": b"p" * 19,
        "_internal/only/ext.abi3.so": b"e" * 23,
    }
    path = link(files)
    items = inspect_executable(path, job)[0]
    assert sum(item.size for item in items) == start_size(path) + sum(map(len, files.values()))
    assert list(items) == sorted(items, key=lambda item: item.path)
    assert all(item.size >= 0 for item in items)
    found = {item.path: (item.group, item.kind) for item in items}
    assert found == {
        ".staticx.start": ("staticx", RUNTIME),
        ".freezer.json": ("freezer", RUNTIME),
        "libc.so.6": ("libc", LIBRARY),
        "libnssfix.so": ("staticx", RUNTIME),
        "ld-linux-x86-64.so.2": ("dynamic loader", RUNTIME),
        "_internal/base_library.zip": ("pure modules", STANDARD),
        "_internal/greeter/data.txt": ("greeter", PACKAGE),
        "_internal/templates/page.html": ("templates", APPLICATION),
        "_internal/only/ext.abi3.so": ("only", PACKAGE),
        "tool/bootloader": ("PyInstaller", RUNTIME),
        "tool/table of contents": ("PyInstaller", RUNTIME),
        "tool/pyimod01_archive": ("PyInstaller", RUNTIME),
        "tool/main": ("tool", APPLICATION),
        "tool/PYZ.pyz/table of contents": ("PyInstaller", RUNTIME),
        "tool/PYZ.pyz/json": ("pure modules", STANDARD),
        "tool/PYZ.pyz/greeter": ("greeter", PACKAGE),
        "tool/PYZ.pyz/greeter.words": ("greeter", PACKAGE),
        "tool/PYZ.pyz/tool.cli": ("tool", APPLICATION),
    }
    assert next(item.size for item in items if item.path == "tool/bootloader") == 100
    assert not list(job.work.glob("inspect-*"))


def test_one_file(link: Callable[..., Path], tmp_path: Path, job: Job) -> None:
    inside = {"libssl.so.3": b"s" * 9, "greeter/data.txt": b"d", "base_library.zip": b"z", "locale/de.mo": b"p"}
    files = {"tool": pack(tmp_path / "pack", inside, MODULES), "libc.so.6": b"c"}
    path = link(files)
    items = inspect_executable(path, job)[0]
    assert sum(item.size for item in items) == start_size(path) + sum(map(len, files.values()))
    found = {item.path: (item.size, item.group, item.kind) for item in items}
    assert found["tool/libssl.so.3"] == (9, "libssl", LIBRARY)
    assert found["tool/greeter/data.txt"] == (1, "greeter", PACKAGE)
    assert found["tool/base_library.zip"] == (1, "pure modules", STANDARD)
    assert found["tool/locale/de.mo"] == (1, "locale", APPLICATION)


def test_program_of_another_kind(link: Callable[..., Path], job: Job) -> None:
    path = link({"tool": b"not from PyInstaller", "libc.so.6": b"c"})
    found = {item.path: item.size for item in inspect_executable(path, job)[0]}
    assert found == {".staticx.start": start_size(path), "tool": 20, "libc.so.6": 1}


def test_plain_executable(program: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    size = program.stat().st_size
    monkeypatch.chdir(program.parent)
    made = inspect(Path("plain"), job)
    assert made.items == (Item("plain", size, "plain", APPLICATION),)
    assert (made.kind, made.size, made.unpacked) == ("executable", size, size)
    assert made.architecture == architecture(program) != ""


@pytest.mark.parametrize(
    "change",
    [
        {"start": -1},
        {"end": 501},
        {"start": 600},
        {"entries": [["a", "b", 600]]},
        {"entries": [["a", "b", -1]]},
        {"entries": [["a", "z", 5]], "modules": {"a": [["m", 6]]}},
        {"entries": [["a", "z", 5]], "modules": {"a": [["m", -1]]}},
    ],
)
def test_impossible_sizes(change: dict[str, Any]) -> None:
    listing = {"start": 100, "end": 500, "entries": [["a", "b", 5]], "modules": {}}
    assert parse_listing(json.dumps(listing), 500, "tool")
    with pytest.raises(InputError, match="damaged"):
        parse_listing(json.dumps({**listing, **change}), 500, "tool")


def test_damaged_archive(link: Callable[..., Path], tmp_path: Path, job: Job) -> None:
    whole = pack(tmp_path / "pack", {}, MODULES)
    path = link({"tool": whole.replace(b"PYZ\0", b"ZYP\0")})
    with pytest.raises(InputError, match="cannot read the archive in tool"):
        inspect_executable(path, job)


@pytest.mark.parametrize("content", [b"\x7fELF", b"\x7fELF" + bytes(60)])
def test_damaged_elf(content: bytes, tmp_path: Path, job: Job) -> None:
    (tmp_path / "broken").write_bytes(content)
    with pytest.raises(InputError):
        inspect(tmp_path / "broken", job)


def test_no_file(tmp_path: Path, job: Job) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            inspect(path, job)


def test_notes_on_what_came_along_unasked(tmp_path: Path) -> None:
    notes = tmp_path / ".freezer.json"
    files = [{"path": "static/", "files": 2, "size": 9, "why": "named at app.py:1"}]
    modules = [{"name": "wsgi", "why": "named at app.py:2"}]
    notes.write_text(json.dumps({"missing_libraries": [], "own": {"files": files, "modules": modules}}))
    assert read_notes(notes) == (
        OwnPart("static/", 2, 9, "named at app.py:1"),
        OwnPart("wsgi", 0, 0, "named at app.py:2"),
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"own": 1}', '{"own": {"files": [{"path": 1}]}}', '{"own": {"files": 3}}', "\ud800"]
)
def test_notes_that_cannot_be_understood(tmp_path: Path, text: str) -> None:
    """They are anybody's."""
    (tmp_path / "notes").write_bytes(text.encode("utf-8", "surrogatepass"))
    (tmp_path / "link").symlink_to("notes")
    assert read_notes(tmp_path / "notes") == ()
    assert read_notes(tmp_path / "link") == ()
    assert read_notes(tmp_path / "gone") == ()
