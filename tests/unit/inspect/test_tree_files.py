"""The inside of a natively linked application's tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from reports import link_natively, modules_archive

from freezer.base.errors import InputError
from freezer.base.job import Job
from freezer.inspect.executable import inspect_executable
from freezer.inspect.look import inspect
from freezer.link.parts import APPLICATION, LIBRARY, PACKAGE, RUNTIME, STANDARD
from freezer.link.payload.read import find_payload


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
    items = inspect_executable(path, job)[0]
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
    kinds = {item.path: (item.group, item.kind) for item in inspect_executable(started, job)[0]}
    assert (kinds["program"], kinds["start.so"]) == (("Python", RUNTIME), ("freezer", RUNTIME))
    named = inspect_executable(path, job, name="greeter")[0]
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
