"""What freezer is told of an Analysis that is done."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from freezer.freeze.drivers import DRIVERS

sys.path.insert(0, str(DRIVERS))
freeze_report: Any = importlib.import_module("freeze_report")
del sys.path[0]

ANALYSIS = SimpleNamespace(
    pure=[("click", "/site/click/__init__.py", "PYMODULE"), ("space", None, "PYMODULE"), ("other", "-", "PYMODULE")],
    scripts=[("app", "/src/app.py", "PYSOURCE")],
    datas=[("data.txt", "/src/data.txt", "DATA"), ("link", "data.txt", "SYMLINK")],
    binaries=[
        ("lib-dynload/_bz2.cpython-311-x86_64-linux-gnu.so", "/lib/_bz2.so", "EXTENSION"),
        ("python3.11/lib-dynload/_lzma.abi3.so", "/lib/_lzma.so", "EXTENSION"),
        ("pack/fast.abi3.so", "/site/pack/fast.abi3.so", "EXTENSION"),
        ("libz.so.1", "/lib/libz.so.1", "BINARY"),
    ],
    graph=SimpleNamespace(_base_modules=[SimpleNamespace(identifier="codecs", filename="/lib/codecs.py")]),
)


def test_modules_wherever_they_are_stored(tmp_path: Path) -> None:
    names = freeze_report.module_names(ANALYSIS)
    assert {"click", "space", "other", "codecs", "_lzma", "pack.fast"} <= names
    assert not {"app", "libz", "data"} & names


def test_sources_are_files(tmp_path: Path) -> None:
    assert freeze_report.source_files(ANALYSIS) == {
        "/site/click/__init__.py", "/src/app.py", "/src/data.txt", "/lib/_bz2.so", "/lib/_lzma.so",
        "/site/pack/fast.abi3.so", "/lib/libz.so.1",
    }  # fmt: skip


def test_added_parts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    given = {"z": ({str(tmp_path / "a")}, {"m", "n"}), "b": (set(), set())}
    assert freeze_report.added_parts(SimpleNamespace(given=given)) == [
        {"distribution": "b", "files": 0, "bytes": 0, "modules": 0},
        {"distribution": "z", "files": 1, "bytes": 3, "modules": 2},
    ]
