"""Import statements are found wherever they are."""

from __future__ import annotations

from pathlib import Path

from freezer.learn.import_lines import ImportLines


def test_lines_of_import_statements(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "import os\nfrom x import (\n    y,\n)\nname = __import__('z')\n"
        "def f():\n    if 1: from . import q\n    return 1\n"
    )
    lines = ImportLines()
    assert [line for line in range(1, 9) if lines.has(str(path), line)] == [1, 2, 3, 4, 7]


def test_what_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import (")
    (tmp_path / "x.so").write_bytes(b"\x7fELF\0")
    lines = ImportLines()
    assert not any(lines.has(str(tmp_path / name), 1) for name in ("bad.py", "x.so", "gone.py"))
