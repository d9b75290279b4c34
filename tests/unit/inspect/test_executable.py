"""Sums are exact, groups are right, and no name gets out of its place on a terminal or in the page."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import io
import json
import marshal
import py_compile
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import pytest
from support import compile_c, need_program

from freezer.base import tar
from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.inspect import image
from freezer.inspect.executable import architecture, inspect_executable, parse_listing
from freezer.inspect.image import inspect_image
from freezer.inspect.look import inspect
from freezer.inspect.module_archives import is_archive, parse_table, read_archive
from freezer.inspect.report import FILE, KINDS, Group, Item, Layer, Report, Settings, printable
from freezer.inspect.table import render_table
from freezer.inspect.treemap import render_html
from freezer.link.modules import ARCHIVE_MAGIC
from freezer.link.parts import APPLICATION, DATA, LIBRARY, PACKAGE, RUNTIME, STANDARD, Names, standard_modules
from freezer.link.payload import pack as payload
from freezer.link.payload.pack import Record, Type
from freezer.link.payload.read import find_payload
from freezer.plan.choices import Packing
from freezer.prove.unpack import STATICX_SECTION, find_archive
from freezer.store.workspace import workspace

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]>&amp;\"'",
    "\x1b[31mred\x1b]0;title\x07",
    "[bold red]markup[/]",
    "\u202egnp.exe",
    "line\u2028break\nnew",
    "not-utf8-\udcff",
    "__proto__",
)


@pytest.fixture
def log() -> Log:
    return Log(stream=io.StringIO())


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with workspace(tmp_path / "cache", "inspect", keep=False, log=Log(stream=io.StringIO())) as made:
        yield made


def report(*items: Item, **fields: Any) -> Report:
    return Report(
        **{"path": "/x/app", "kind": "executable", "size": 7, "architecture": "x86_64", **fields}, items=items
    )


def hostile_report() -> Report:
    items = [Item(f"{name}/{kind}", 100 + at, name, kind) for at, name in enumerate(HOSTILE) for kind in KINDS]
    settings = Settings(HOSTILE[0], (HOSTILE[0], "a b"), HOSTILE, HOSTILE, labels=((HOSTILE[0], HOSTILE[3]),))
    layers = (Layer(HOSTILE[0], HOSTILE[3], 5, 6, 1),)
    return report(*items, path=f"/x/{HOSTILE[3]}{HOSTILE[0]}", names=HOSTILE, settings=settings, layers=layers)


def test_sums() -> None:
    made = report(Item("a", 1, "x", FILE), Item("b", 5, "y", FILE), Item("c", 2, "x", LIBRARY), Item("d", 4, "x", FILE))
    assert made.unpacked == 12
    assert made.kinds() == (Group(FILE, "", 10, 3), Group(LIBRARY, "", 2, 1))
    assert made.groups() == (Group(FILE, "x", 5, 2), Group(FILE, "y", 5, 1), Group(LIBRARY, "x", 2, 1))
    assert [item.path for item in made.largest(2)] == ["b", "d"]
    assert report().kinds() == report().groups() == ()


def test_json() -> None:
    made = hostile_report()
    fields = json.loads(json.dumps(made.as_json()))
    assert [item["path"] for item in fields["items"]] == [item.path for item in made.items]
    assert sum(group["size"] for group in fields["groups"]) == fields["unpacked"] == made.unpacked
    assert fields["settings"]["labels"] == {HOSTILE[0]: HOSTILE[3]}


def test_printable() -> None:
    assert printable("a \u00e9\u4e2d") == "a \u00e9\u4e2d"
    assert printable("\x1b[m\u202e\udcff\n\x9b") == "\ufffd[m\ufffd\ufffd\ufffd\ufffd"


NAMES = Names("my-app", {"numpy": "numpy", "markdown-it": "markdown_it", "pil": "PIL"}, standard_modules())


@pytest.mark.parametrize(
    ("path", "group", "kind"),
    [
        ("base_library.zip", "pure modules", STANDARD),
        ("python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so", "extension modules", STANDARD),
        ("lib-dynload/_ssl.so", "extension modules", STANDARD),
        ("_ssl.cpython-313-x86_64-linux-gnu.so", "extension modules", STANDARD),
        ("pydoc_data/topics.txt", "pure modules", STANDARD),
        ("_tcl_data/init.tcl", "tkinter", STANDARD),
        ("libssl.so.3", "libssl", LIBRARY),
        ("libpython3.11.so.1.0", "libpython3.11", LIBRARY),
        ("libstdc++.so.6", "libstdc++", LIBRARY),
        ("ld-linux-x86-64.so.2", "dynamic loader", RUNTIME),
        ("ld-musl-x86_64.so.1", "dynamic loader", RUNTIME),
        ("numpy/core/_x.so", "numpy", PACKAGE),
        ("numpy.libs/libopenblas.so.0", "numpy", PACKAGE),
        ("NumPy-1.0.dist-info/METADATA", "numpy", PACKAGE),
        ("markdown_it_py-4.3.0.dist-info/METADATA", "markdown_it_py", PACKAGE),
        ("markdown.it-4.egg-info", "markdown_it", PACKAGE),
        ("_cffi_backend.cpython-311-x86_64-linux-gnu.so", "_cffi_backend", PACKAGE),
        ("my_app-1.dist-info/METADATA", "my_app", APPLICATION),
        ("my_app/data.txt", "my_app", APPLICATION),
        ("templates/index.html", "templates", APPLICATION),
        ("locale/de/LC_MESSAGES/app.mo", "locale", APPLICATION),
        ("notes.txt", "my-app", APPLICATION),
        ("_freezer/cacert.pem", "CA certificates", DATA),
        ("_freezer/zoneinfo/Europe/Paris", "time zones", DATA),
        ("_freezer/locale/C.utf8/LC_CTYPE", "locale C.UTF-8", DATA),
        ("_freezer/other", "other", DATA),
    ],
)
def test_files(path: str, group: str, kind: str) -> None:
    names = Names("my-app", {**NAMES.packages, "my-app": "my_app"}, NAMES.standard)
    assert names.file(path) == (group, kind)


@pytest.mark.parametrize(
    ("module", "group", "kind"),
    [
        ("email.message", "pure modules", STANDARD),
        ("distutils", "pure modules", STANDARD),
        ("tomllib", "pure modules", STANDARD),
        ("_sysconfigdata__linux_x86_64-linux-gnu", "pure modules", STANDARD),
        ("numpy.core", "numpy", PACKAGE),
        ("my_app.cli", "my_app", APPLICATION),
        ("_freezer_main_script", "my-app", APPLICATION),
        ("_freezer_provisions", "freezer", RUNTIME),
        ("_freezer_pyi_rth_inspect", "PyInstaller", RUNTIME),
        ("pyi_rth_inspect", "PyInstaller", RUNTIME),
    ],
)
def test_modules(module: str, group: str, kind: str) -> None:
    assert NAMES.module(module) == (group, kind)


def test_standard_modules_of_an_old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    names = standard_modules()
    monkeypatch.delattr("sys.stdlib_module_names", raising=False)
    assert {"json", "sys", "_ssl", "encodings"} <= standard_modules() & names
    assert "site-packages" not in standard_modules()


# Executables


def pack(folder: Path, files: dict[str, bytes], modules: tuple[str, ...]) -> bytes:
    """A program as PyInstaller makes it, whose start-up code is 100 bytes."""
    from PyInstaller.archive.writers import (  # type: ignore[import-untyped]
        CArchiveWriter,
        ZlibArchiveWriter,
    )

    folder.mkdir()
    code = compile("pass", "x", "exec")
    ZlibArchiveWriter(
        str(folder / "pyz"), [(name, "x.py", "PYMODULE") for name in modules], dict.fromkeys(modules, code)
    )
    (folder / "script").write_text("pass")
    py_compile.compile(str(folder / "script"), str(folder / "compiled"))
    entries = [
        ("pyimod01_archive", str(folder / "compiled"), True, "m"),
        ("main", str(folder / "script"), True, "s"),
        ("PYZ.pyz", str(folder / "pyz"), False, "z"),
    ]
    for at, (name, content) in enumerate(files.items()):
        (folder / str(at)).write_bytes(content)
        entries.append((name, str(folder / str(at)), False, "b" if ".so" in name else "x"))
    CArchiveWriter(str(folder / "pkg"), entries, "libpython3.11.so.1.0")
    return bytes(100) + (folder / "pkg").read_bytes()


MODULES = ("json", "greeter", "greeter.words", "tool.cli")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c("int main(void) { return 0; }", tmp_path_factory.mktemp("program") / "plain", "-static")


@pytest.fixture
def link(program: Path, tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Makes an executable with the files given as staticx does."""
    need_program("objcopy")

    def make(files: dict[str, bytes]) -> Path:
        with tarfile.open(tmp_path / "archive.tar", "w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            info = tarfile.TarInfo(".staticx.prog")
            info.type, info.linkname = tarfile.SYMTYPE, next(iter(files))
            archive.addfile(info)
        output = tmp_path / "linked"
        section = f"{STATICX_SECTION}={tmp_path / 'archive.tar'}"
        subprocess.run(["objcopy", "--add-section", section, program, output], check=True)
        return output

    return make


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
    items = inspect_executable(path, job)
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
    items = inspect_executable(path, job)
    assert sum(item.size for item in items) == start_size(path) + sum(map(len, files.values()))
    found = {item.path: (item.size, item.group, item.kind) for item in items}
    assert found["tool/libssl.so.3"] == (9, "libssl", LIBRARY)
    assert found["tool/greeter/data.txt"] == (1, "greeter", PACKAGE)
    assert found["tool/base_library.zip"] == (1, "pure modules", STANDARD)
    assert found["tool/locale/de.mo"] == (1, "locale", APPLICATION)


def test_program_of_another_kind(link: Callable[..., Path], job: Job) -> None:
    path = link({"tool": b"not from PyInstaller", "libc.so.6": b"c"})
    found = {item.path: item.size for item in inspect_executable(path, job)}
    assert found == {".staticx.start": start_size(path), "tool": 20, "libc.so.6": 1}


def test_plain_executable(program: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    size = program.stat().st_size
    monkeypatch.chdir(program.parent)
    made = inspect(Path("plain"), job)
    assert made.items == (Item("plain", size, "plain", APPLICATION),)
    assert (made.kind, made.size, made.unpacked) == ("executable", size, size)
    assert made.architecture == architecture(program) != ""


# Natively linked executables


def modules_archive(
    modules: dict[str, int], scripts: dict[str, int], *, table: Optional[bytes] = None, code: Optional[bytes] = None
) -> bytes:
    """An archive as the linker makes it, of modules and scripts with so many bytes."""
    at = 0
    places = []
    for size in (*modules.values(), *scripts.values()):
        places.append((at, size))
        at += size
    contents = {
        "modules": {name: (*place, 0) for name, place in zip(modules, places)},
        "scripts": [(name, *place) for name, place in zip(scripts, places[len(modules) :])],
        "extensions": {"_x": "lib-dynload/_x.so"},
        "path": ["lib-dynload", ""],
        "next": "",
    }
    packed = marshal.dumps(contents, 2) if table is None else table
    return ARCHIVE_MAGIC + len(packed).to_bytes(8, "little") + packed + (bytes(at) if code is None else code)


def link_natively(launcher: Path, files: dict[str, bytes], output: Path) -> Path:
    folders = {str(parent) for name in files for parent in Path(name).parents if str(parent) != "."}
    records = [Record(Type.DIRECTORY, name) for name in sorted(folders)]
    records += [Record(Type.FILE, name, data=data) for name, data in files.items()]
    records.append(Record(Type.LINK, "libc.so", data=b"libc.so.6"))
    payload.write(launcher, records, Packing.FAST, output)
    return output


def test_native(program: Path, tmp_path: Path, job: Job) -> None:
    modules = {"json": 5, "greeter": 7, "greeter.words": 0, "tool.cli": 9, "_freezer_native": 3}
    files = {
        "program": b"r" * 29,
        "modules": modules_archive(modules, {"pyiboot01_bootstrap": 4, "tool": 6}),
        "modules.dependencies": modules_archive({"yaml": 100, "yaml.x": 20}, {}),
        "modules.json": b"{}",
        "libc.so.6": b"c" * 11,
        "ld-linux-x86-64.so.2": b"l" * 7,
        ".freezer.json": b"{}",
        "lib/python3.11/os.pyc": b"",
        "lib/python3.11/encodings/__init__.pyc": b"e" * 31,
        "_internal/greeter/data.txt": b"d" * 17,
        "_internal/templates/page.html": b"p" * 19,
        "_internal/yaml/ext.abi3.so": b"e" * 23,
        "_internal/modules": modules_archive({"not_at_the_top": 5}, {}),
    }
    path = link_natively(program, files, tmp_path / "tool")
    trailer = find_payload(path)
    assert trailer is not None
    items = inspect_executable(path, job)
    assert sum(item.size for item in items) == trailer.offset + 128 + sum(map(len, files.values()))
    assert list(items) == sorted(items, key=lambda item: item.path)
    found = {item.path: (item.group, item.kind) for item in items}
    assert found == {
        ".freezer.launcher": ("freezer", RUNTIME),
        ".freezer.trailer": ("freezer", RUNTIME),
        ".freezer.json": ("freezer", RUNTIME),
        "program": ("freezer", RUNTIME),
        "libc.so.6": ("libc", LIBRARY),
        "ld-linux-x86-64.so.2": ("dynamic loader", RUNTIME),
        "lib/python3.11/os.pyc": ("pure modules", STANDARD),
        "lib/python3.11/encodings/__init__.pyc": ("pure modules", STANDARD),
        "_internal/greeter/data.txt": ("greeter", PACKAGE),
        "_internal/templates/page.html": ("templates", APPLICATION),
        "_internal/yaml/ext.abi3.so": ("yaml", PACKAGE),
        "_internal/modules": ("tool", APPLICATION),
        "modules.json": ("tool", APPLICATION),
        "modules/table of contents": ("freezer", RUNTIME),
        "modules/json": ("pure modules", STANDARD),
        "modules/greeter": ("greeter", PACKAGE),
        "modules/greeter.words": ("greeter", PACKAGE),
        "modules/tool.cli": ("tool", APPLICATION),
        "modules/_freezer_native": ("freezer", RUNTIME),
        "modules/scripts/pyiboot01_bootstrap": ("PyInstaller", RUNTIME),
        "modules/scripts/tool": ("tool", APPLICATION),
        "modules.dependencies/table of contents": ("freezer", RUNTIME),
        "modules.dependencies/yaml": ("yaml", PACKAGE),
        "modules.dependencies/yaml.x": ("yaml", PACKAGE),
    }
    sizes = {item.path: item.size for item in items}
    assert (sizes["modules/tool.cli"], sizes["modules/scripts/tool"], sizes["program"]) == (9, 6, 29)
    # Where freezer's library starts it, the program is the interpreter.
    started = link_natively(program, {"program": b"p" * 29, "start.so": b"s"}, tmp_path / "started")
    kinds = {item.path: (item.group, item.kind) for item in inspect_executable(started, job)}
    assert (kinds["program"], kinds["start.so"]) == (("Python", RUNTIME), ("freezer", RUNTIME))
    named = inspect_executable(path, job, name="greeter")
    assert {item.kind for item in named if item.group == "greeter"} == {APPLICATION}
    assert not list(job.work.glob("inspect-*"))


def test_a_damaged_native_executable(program: Path, tmp_path: Path, job: Job) -> None:
    path = link_natively(program, {"program": b"x" * 100}, tmp_path / "tool")
    changed = bytearray(path.read_bytes())
    changed[500] ^= 1
    path.write_bytes(changed)
    with pytest.raises(InputError, match="tool is damaged"):
        inspect(path, job)
    archive = modules_archive({"a": 5}, {}, code=b"1234")
    path = link_natively(program, {"program": b"x", "modules": archive}, tmp_path / "other")
    with pytest.raises(InputError, match="archive modules is damaged"):
        inspect(path, job)
    assert not list(job.work.glob("inspect-*"))


TABLES: list[Any] = [
    {},
    {"a": [(1, -1, "\u00e9\udcff"), (), [], {"b": {}}], "c": None, "d": True, "e": False},
    ["same", "same", sys.intern("same"), 2**31 - 1, -(2**31)],
]


@pytest.mark.parametrize("table", TABLES)
def test_tables(table: Any) -> None:
    packed = marshal.dumps(table, 2)
    assert parse_table(packed) == table
    for end in range(len(packed)):
        with pytest.raises(ValueError, match="table"):
            parse_table(packed[:end])
    with pytest.raises(ValueError, match="table"):
        parse_table(packed + b"N")


@pytest.mark.parametrize(
    "data",
    [
        *(marshal.dumps(item, 2) for item in (1.5, 2**31, b"bytes", {1}, compile("1", "x", "eval"), ..., 1j)),
        *(marshal.dumps(item, 4) for item in ("text", (1,), [()])),
        marshal.dumps([[[[[[[[[1]]]]]]]]], 2),
        b"[" + (1 << 30).to_bytes(4, "little") + b"N",
        b"[\xff\xff\xff\xffN",
        b"(\1\0\0\x000",
        b"u\xff\xff\xff\x7fabc",
        b"u\xff\xff\xff\xff",
        b"u\1\0\0\0\xff",
        b"{N",
        b"{N0",
        b"{[\0\0\0\0N0",
        b"0",
    ],
)
def test_tables_of_anything_else(data: bytes, tmp_path: Path) -> None:
    with pytest.raises((ValueError, TypeError)):
        parse_table(data)
    (tmp_path / "modules").write_bytes(modules_archive({}, {}, table=data))
    with pytest.raises(InputError, match="modules is damaged"):
        read_archive(tmp_path / "modules")


GOOD_TABLE = {"modules": {"a": (0, 5, 0)}, "scripts": [("s", 5, 5)]}


@pytest.mark.parametrize(
    "change",
    [
        {"modules": {"a": (0, 11, 0)}},
        {"modules": {"a": (-1, 5, 0)}},
        {"modules": {"a": (0, -5, 0)}},
        {"modules": {"a": (6, 5, 0)}},
        {"modules": {"a": (0, 10, 0), "b": (0, 10, 0)}},
        {"modules": {"a": (0,)}},
        {"modules": {"a": "xy"}},
        {"modules": {1: (0, 5, 0)}},
        {"modules": ["a"]},
        {"modules": None},
        {"scripts": [("s", 5, 6)]},
        {"scripts": [("s", 5)]},
        {"scripts": [(None, 5, 5)]},
        {"scripts": 3},
    ],
)
def test_tables_that_do_not_fit(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "modules"
    path.write_bytes(modules_archive({}, {}, table=marshal.dumps(GOOD_TABLE, 2), code=bytes(10)))
    assert is_archive(path)
    whole = read_archive(path)
    assert (whole.modules, whole.scripts, whole.rest) == ((("a", 5),), (("s", 5),), path.stat().st_size - 10)
    path.write_bytes(modules_archive({}, {}, table=marshal.dumps({**GOOD_TABLE, **change}, 2), code=bytes(10)))
    with pytest.raises(InputError, match="modules is damaged"):
        read_archive(path)


def test_an_archive_that_is_cut_off(tmp_path: Path) -> None:
    whole = modules_archive({"a": 5}, {"s": 5})
    for end in range(len(whole)):
        (tmp_path / "modules").write_bytes(whole[:end])
        with pytest.raises(InputError, match="modules is damaged"):
            read_archive(tmp_path / "modules")


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


# Output


def test_table() -> None:
    settings = Settings("65534:65534", ("/app/tool",), ("a b",))
    layers = (Layer("sha256:" + "a" * 64, "sha256:" + "b" * 64, 5_000_000, 6_000_000, 3),)
    items = (Item("libx.so", 3_000_000, "libx", LIBRARY), *(Item(f"m{at}", 1, f"g{at}", FILE) for at in range(40)))
    made = report(
        *items, kind="image", names=("tool:1",), image_id="sha256:" + "c" * 64, settings=settings, layers=layers
    )
    for width in (60, 100, 200):
        text = render_table(made, width)
        assert max(map(len, text.splitlines())) <= width
        assert text.endswith("\n") and not text.endswith("\n\n")
        assert "tool:1" in text and "65534:65534" in text and "'a b'" in text
        assert "The 25 largest of 41 groups" in text and "100.0 %" in text and "5.0 MB" in text
        assert "\x1b" not in text
    assert "\x1b[" in render_table(made, 100, color=True)
    assert render_table(report(), 80)


def test_table_of_hostile_names() -> None:
    text = render_table(hostile_report(), 400)
    assert set(re.findall(r"[^\x20-\x7e]", text)) <= set("\ufffd\u2588\u258c\n")
    assert "[bold red]markup[/]" in text


@dataclass
class Page:
    policy: str
    style: str
    data: Any
    script: str
    table: str

    @classmethod
    def of(cls, text: str) -> Page:
        found = re.fullmatch(
            r'<!DOCTYPE html>.*?<meta http-equiv="Content-Security-Policy" content="(.*?)">.*?<style>(.*?)</style>.*'
            r'<noscript>(.*?)</noscript>\n<script type="application/json" id="data">(.*?)</script>\n'
            r"<script>(.*?)</script>\n</body>\n</html>\n",
            text,
            re.DOTALL,
        )
        assert found is not None
        policy, style, table, data, script = found.groups()
        return cls(policy, style, json.loads(data), script, table)


def test_page() -> None:
    text = render_html(hostile_report())
    assert text == render_html(hostile_report())
    text.encode()
    # Two scripts, whatever the names are; only the page's own can run.
    assert text.lower().count("<script") == text.lower().count("</script") == 2
    assert text.count("<!--") == 0 and text.count("<img") == 0
    page = Page.of(text)
    for content, what in ((page.script, "script-src"), (page.style, "style-src")):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{what} 'sha256-{digest}'" in page.policy
    assert page.policy.startswith("default-src 'none'; ") and "unsafe" not in page.policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function", page.script)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|fetch|XMLHttp", page.script + page.style)


def test_page_is_complete() -> None:
    made = hostile_report()
    page = Page.of(render_html(made))
    sizes = sorted(size for _, _, groups in page.data["kinds"] for _, files in groups for _, size in files)
    assert sizes == sorted(item.size for item in made.items)
    assert {(kind, number) for kind, number, _ in page.data["kinds"]} == set(zip(KINDS, range(len(KINDS))))
    names = {group for _, _, groups in page.data["kinds"] for group, _ in groups}
    assert names == {printable(name) for name in HOSTILE}
    cells = [html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", page.table)]
    assert {printable(name) for name in HOSTILE} <= set(cells)
    assert render_html(report())


# Images


@dataclass(frozen=True)
class FakeBlob:
    digest: str
    diff_id: Optional[str]
    size: int
    content: bytes


@dataclass(frozen=True)
class FakeImage:
    config: dict[str, Any]
    layers: tuple[FakeBlob, ...]
    manifest_digest: Optional[str] = "sha256:m"
    config_digest: str = "sha256:c"
    names: tuple[str, ...] = ("tool:1",)


@dataclass(frozen=True)
class FakeArchive:
    images: tuple[FakeImage, ...]

    def layer_members(self, blob: FakeBlob) -> Iterator[tuple[tar.Member, tar.Content]]:
        return tar.read_members(io.BytesIO(blob.content))


def layer(files: dict[str, bytes], links: Optional[dict[str, str]] = None) -> FakeBlob:
    data = b""
    for name, content in files.items():
        mode = 0o755 if content[:4] == b"\x7fELF" else 0o644
        data += tar.header(tar.Member(name, tar.Kind.FILE, len(content), mode, 0, 0, 0)) + content
        data += tar.padding(len(content))
    for name, target in {"etc/link": "passwd", **(links or {})}.items():
        data += tar.header(tar.Member(name, tar.Kind.SYMLINK, 0, 0o777, 0, 0, 0, target))
    data += tar.header(tar.Member("app/", tar.Kind.DIRECTORY, 0, 0o755, 0, 0, 0)) + tar.END
    return FakeBlob("sha256:b", "sha256:d", len(data), data)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes ``inspect_image`` see the images given."""

    def give(*images: FakeImage) -> None:
        monkeypatch.setattr(image, "open_image", lambda path: contextlib.nullcontext(FakeArchive(images)))

    return give


def test_image(opened: Callable[..., None], link: Callable[..., Path], program: Path, tmp_path: Path, job: Job) -> None:
    tool = link({"tool": pack(tmp_path / "pack", {}, MODULES), "libc.so.6": b"c" * 11})
    native = link_natively(program, {"program": b"r", "modules": modules_archive({"native.x": 8}, {})}, tmp_path / "n")
    first = {"./etc/passwd": b"root", "/usr/lib/deep/er/file": b"12", "top": b"1", "bin/plain": program.read_bytes()}
    first["usr/share/zoneinfo/Etc/UTC"] = b"z"
    second = {
        "app/tool": tool.read_bytes(),
        "app/native": native.read_bytes(),
        "app/plain": program.read_bytes(),
        "app/broken": b"\x7fELF" + bytes(90),
        "etc/.wh.passwd": b"",
    }
    config = {
        "architecture": "arm64",
        "variant": "v8",
        "config": {
            "User": "65534",
            "Entrypoint": ["/app/tool"],
            "Cmd": None,
            "Env": ["A=b"],
            "WorkingDir": "/app",
            "ExposedPorts": {"80/tcp": {}, "22/tcp": {}},
            "Labels": {"l": "v"},
        },
    }
    opened(FakeImage(config, (layer(first), layer(second))))
    (tmp_path / "image.tar").write_bytes(b"anything")
    made = inspect(tmp_path / "image.tar", job)
    assert (made.kind, made.size, made.architecture, made.image_id) == ("image", 8, "arm64/v8", "sha256:c")
    assert made.settings == Settings(
        "65534", ("/app/tool",), (), ("A=b",), "/app", ("22/tcp", "80/tcp"), labels=(("l", "v"),)
    )
    assert [part.files for part in made.layers] == [5, 4]
    assert [part.unpacked for part in made.layers] == [
        sum(map(len, first.values())),
        sum(map(len, second.values())),
    ]
    found = {item.path: item for item in made.items}
    assert len(found) == len(made.items)
    size = program.stat().st_size
    assert found["etc/passwd"] == Item("etc/passwd", 4, "etc", FILE)
    assert found["usr/lib/deep/er/file"].group == "usr/lib"
    assert found["top"].group == "/"
    assert found["usr/share/zoneinfo/Etc/UTC"] == Item("usr/share/zoneinfo/Etc/UTC", 1, "time zones", DATA)
    assert found["bin/plain"] == Item("bin/plain", size, "bin", FILE)
    assert found["app/plain"] == Item("app/plain", size, "plain", APPLICATION)
    assert found["app/broken"] == Item("app/broken", 94, "app", FILE)
    assert found["app/tool//libc.so.6"] == Item("app/tool//libc.so.6", 11, "libc", LIBRARY)
    assert found["app/tool//PYZ.pyz/tool.cli"].kind == APPLICATION
    assert found["app/native//modules/native.x"] == Item("app/native//modules/native.x", 8, "native", APPLICATION)
    assert found["app/native//program"].size == 1
    inner = sum(item.size for path in (tool, native) for item in inspect_executable(path, job))
    outer = tool.stat().st_size + native.stat().st_size
    assert made.unpacked == sum(part.unpacked for part in made.layers) - outer + inner
    assert not list(job.work.glob("inspect-*"))


UNPACKED: tuple[dict[str, bytes], ...] = (
    {"etc/passwd": b"root", "usr/share/zoneinfo/Etc/UTC": b"z", "app/README": b"added"},
    {
        "./app/program": b"\x7fELF" + b"p" * 25,
        "app/start.so": b"\x7fELF",
        "app/libc.so.6": b"\x7fELF" + b"c" * 7,
        "app/ld-linux-x86-64.so.2": b"\x7fELF!",
        "app/modules": modules_archive({"json": 5, "_freezer_native": 3}, {}),
        "app/lib/python3.11/os.pyc": b"",
        "app/_internal/lib-dynload/_ssl.so": b"s" * 3,
        "app/_internal/_freezer/cacert.pem": b"t" * 13,
    },
    {
        "app/modules.dependencies": modules_archive({"yaml": 100, "yaml.x": 20}, {}),
        "app/_internal/yaml/ext.abi3.so": b"e" * 23,
        "app/_internal/greeter/data.txt": b"d" * 17,
        "app/modules.json": b"{}",
    },
    {
        "app/modules.application": modules_archive(
            {"greeter": 7, "_freezer_main_script": 9}, {"pyiboot01_bootstrap": 4}
        ),
        "app/.freezer.json": b"{}",
    },
)


def unpacked_image(*layers: dict[str, bytes], **settings: Any) -> FakeImage:
    """An image with the application's files below ``app``, started as ``/app/tool``."""
    blobs = [layer(files) for files in layers[:-1]]
    blobs.append(layer(layers[-1], {"app/tool": "program"}))
    return FakeImage({"config": {"Cmd": ["/app/tool"], **settings}}, tuple(blobs))


def test_unpacked_image(opened: Callable[..., None], tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    opened(unpacked_image(*UNPACKED))
    made = inspect(tmp_path / "image.tar", job)
    assert made.unpacked == sum(part.unpacked for part in made.layers)
    assert [part.unpacked for part in made.layers] == [sum(map(len, files.values())) for files in UNPACKED]
    found = {item.path: (item.group, item.kind) for item in made.items}
    assert len(found) == len(made.items)
    assert found == {
        "etc/passwd": ("etc", FILE),
        "usr/share/zoneinfo/Etc/UTC": ("time zones", DATA),
        "app/README": ("tool", APPLICATION),
        "app/program": ("Python", RUNTIME),
        "app/start.so": ("freezer", RUNTIME),
        "app/libc.so.6": ("libc", LIBRARY),
        "app/ld-linux-x86-64.so.2": ("dynamic loader", RUNTIME),
        "app/modules/table of contents": ("freezer", RUNTIME),
        "app/modules/json": ("pure modules", STANDARD),
        "app/modules/_freezer_native": ("freezer", RUNTIME),
        "app/lib/python3.11/os.pyc": ("pure modules", STANDARD),
        "app/_internal/lib-dynload/_ssl.so": ("extension modules", STANDARD),
        "app/_internal/_freezer/cacert.pem": ("CA certificates", DATA),
        "app/modules.dependencies/table of contents": ("freezer", RUNTIME),
        "app/modules.dependencies/yaml": ("yaml", PACKAGE),
        "app/modules.dependencies/yaml.x": ("yaml", PACKAGE),
        "app/_internal/yaml/ext.abi3.so": ("yaml", PACKAGE),
        "app/_internal/greeter/data.txt": ("greeter", PACKAGE),
        "app/modules.json": ("tool", APPLICATION),
        "app/modules.application/table of contents": ("freezer", RUNTIME),
        "app/modules.application/greeter": ("greeter", PACKAGE),
        "app/modules.application/_freezer_main_script": ("tool", APPLICATION),
        "app/modules.application/scripts/pyiboot01_bootstrap": ("PyInstaller", RUNTIME),
        "app/.freezer.json": ("freezer", RUNTIME),
    }
    assert not list(job.work.glob("inspect-*"))


def test_unpacked_image_put_on(opened: Callable[..., None], tmp_path: Path, job: Job) -> None:
    """Another layer replaces a file and removes one; both versions are listed, and sizes add up."""
    (tmp_path / "image.tar").write_bytes(b"anything")
    more = {"app/modules": modules_archive({"json": 50}, {}), "app/.wh..freezer.json": b"", "bin/x": b"x"}
    opened(unpacked_image(*UNPACKED, more, Entrypoint=["tool"], Cmd=["-v"], Env=["PATH=/bin:/app"]))
    made = inspect(tmp_path / "image.tar", job)
    assert made.unpacked == sum(part.unpacked for part in made.layers)
    assert [item.size for item in made.items if item.path == "app/modules/json"] == [5, 50]
    assert {item.group for item in made.items if item.kind == APPLICATION} == {"tool"}


@pytest.mark.parametrize("name", ["./app/program", "app/start.so", "app/modules", "app/.freezer.json"])
def test_image_with_less_than_a_tree(opened: Callable[..., None], name: str, tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    less = [
        {key: data.replace(b"\x7fELF", b"none") for key, data in files.items() if key != name} for files in UNPACKED
    ]
    opened(unpacked_image(*less))
    made = inspect(tmp_path / "image.tar", job)
    assert made.unpacked == sum(part.unpacked for part in made.layers)
    assert {item.kind for item in made.items} == {FILE, DATA}


def test_unpacked_image_that_is_damaged(opened: Callable[..., None], tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    opened(unpacked_image(*UNPACKED, {"app/modules.more": modules_archive({"a": 5}, {}, code=b"1234")}))
    with pytest.raises(InputError, match=r"archive modules\.more is damaged"):
        inspect(tmp_path / "image.tar", job)


def test_several_images_and_odd_settings(opened: Callable[..., None], tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    odd = {"config": {"Env": "x", "Labels": ["y"], "Cmd": [1]}}
    opened(FakeImage(odd, ()), FakeImage({"config": None}, ()))
    made = inspect_image(tmp_path / "image.tar", job)
    assert made.settings == Settings(command=("1",))
    assert len(job.log.warnings) == 1
    assert render_table(made, 80) and render_html(made)


def test_layer_that_ends_early(opened: Callable[..., None], program: Path, tmp_path: Path, job: Job) -> None:
    (tmp_path / "image.tar").write_bytes(b"anything")
    whole = layer({"app/plain": program.read_bytes()})
    opened(FakeImage({}, (FakeBlob("", None, 0, whole.content[:5000]),)))
    with pytest.raises(InputError, match="damaged"):
        inspect_image(tmp_path / "image.tar", job)
