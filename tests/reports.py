"""Executables and reports made by hand, to be inspected."""

from __future__ import annotations

import marshal
import py_compile
from pathlib import Path
from typing import Any, Optional

from freezer.inspect.report import KINDS, Item, Layer, Report, Settings
from freezer.link.modules import ARCHIVE_MAGIC
from freezer.link.payload import pack as payload
from freezer.link.payload.pack import Record, Type
from freezer.plan.choices import Packing

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


def report(*items: Item, **fields: Any) -> Report:
    return Report(
        **{"path": "/x/app", "kind": "executable", "size": 7, "architecture": "x86_64", **fields}, items=items
    )


def hostile_report() -> Report:
    items = [Item(f"{name}/{kind}", 100 + at, name, kind) for at, name in enumerate(HOSTILE) for kind in KINDS]
    settings = Settings(HOSTILE[0], (HOSTILE[0], "a b"), HOSTILE, HOSTILE, labels=((HOSTILE[0], HOSTILE[3]),))
    layers = (Layer(HOSTILE[0], HOSTILE[3], 5, 6, 1),)
    return report(*items, path=f"/x/{HOSTILE[3]}{HOSTILE[0]}", names=HOSTILE, settings=settings, layers=layers)


def pack(folder: Path, files: dict[str, bytes], modules: tuple[str, ...]) -> bytes:
    """A program as PyInstaller makes it, whose start-up code is 100 bytes."""
    from PyInstaller.archive.writers import (
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
