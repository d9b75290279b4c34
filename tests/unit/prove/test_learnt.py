"""What a file of learned things names is looked up in the bundle."""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import Any

import pytest

from freezer.base.errors import VerificationError
from freezer.link.modules import ARCHIVE_MAGIC
from freezer.plan.learned import Learned
from freezer.prove.learnt import Carried, judge_learned, missing_lines

FILES = (
    "texts/a.txt",
    "pkg/data.bin",
    "pkg/native.cpython-311-x86_64-linux-gnu.so",
    "pkg/late.py",
    "lib-dynload/_x.so",
)
THERE: dict[str, dict[str, str]] = {
    "modules": {"plug": "x", "pkg.native": "x", "pkg.late": "x", "_x": "x"},
    "files": {"texts/a.txt": "x", "src/pkg/data.bin": "x", "texts/": "x", "src/pkg/": "x"},
    "package_files": {"pkg/data.bin": "x", "pkg/": "x"},
    "metadata": {"Some.Thing": "x"},
    "entry_points": {"some.group": "x"},
    "libraries": {"libz.so.1": "x", "_x.so": "x"},
}
MISSING: dict[str, dict[str, str]] = {
    "modules": {"plu": "x", "texts.a": "x"},
    "files": {"texts/b.txt": "x", "data/": "x"},
    "package_files": {"src/pkg/data.bin": "x", "pk/": "x"},
    "metadata": {"some": "x"},
    "entry_points": {"group": "x"},
    "libraries": {"libz.so": "x"},
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    top = tmp_path / "bundle"
    table = marshal.dumps({"modules": {"plug": (0, 0, False)}, "scripts": []}, 2)
    files = {f"_internal/{name}": b"" for name in FILES}
    files["modules"] = ARCHIVE_MAGIC + len(table).to_bytes(8, "little") + table
    files["libz.so.1"] = b""
    files["_internal/some_thing-1.0.dist-info/entry_points.txt"] = b"[some.group]\na = b\n"
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    return top


def learned(**tables: Any) -> Learned:
    return Learned(Path("/srv/freezer.learned.toml"), Path("/srv"), **tables)


def test_what_is_there(bundle: Path) -> None:
    assert list(missing_lines(learned(**THERE), Carried(bundle))) == []
    judge_learned(learned(**THERE, runs={"x": "any status"}), bundle, "app")


@pytest.mark.parametrize("table", sorted(MISSING))
def test_what_is_missing(bundle: Path, table: str) -> None:
    lines = list(missing_lines(learned(**{table: MISSING[table]}), Carried(bundle)))
    title = table.replace("_", "-")
    assert sorted(lines) == sorted(f"[{title}] {name}: x" for name in MISSING[table])


def test_what_is_said(bundle: Path) -> None:
    names = {f"m{number}": "app.py:1" for number in range(20)}
    with pytest.raises(VerificationError) as caught:
        judge_learned(learned(modules={**names, "plug": "x"}), bundle, "app")
    assert caught.value.what == "app lacks 20 of the 21 things that freezer.learned.toml names"
    assert caught.value.why is not None and caught.value.why.endswith("and 8 more")


def test_no_bundle() -> None:
    with pytest.raises(VerificationError, match="no bundle"):
        judge_learned(learned(modules={"a": "x"}), None, "app")
