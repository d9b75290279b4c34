"""What an empty root lacks comes along when the import graph asks for it, or the user."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from freezer.closure.provisions import PROVISIONS, provide, size_of

NONE: dict[str, Optional[bool]] = {item.option: None for item in PROVISIONS}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The build system's files."""
    for name in ("usr/lib/locale/C.UTF-8/LC_CTYPE", "lib/terminfo/x/xterm", "usr/share/terminfo/d/dumb"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True)
        path.write_text("data")
    return tmp_path / "root"


@pytest.fixture
def contents(tmp_path: Path) -> Path:
    path = tmp_path / "contents"
    path.mkdir()
    return path


def names(contents: Path) -> set[str]:
    return {path.name for path in (contents / "_freezer").iterdir()} if (contents / "_freezer").exists() else set()


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("json", {"zones"}),
        ("locale", {"locale", "zones"}),
        ("ssl", {"cacert.pem", "zones"}),
        ("zoneinfo", {"zoneinfo"}),
        ("socket", {"etc", "zones"}),
        ("readline", {"locale", "terminfo", "zones"}),
    ],
)
def test_by_the_import_graph(root: Path, contents: Path, module: str, expected: set[str]) -> None:
    provided, lacking = provide(contents, frozenset({module, "os"}), NONE, root)
    assert names(contents) == expected
    assert len(provided) == len(expected) and lacking == []
    assert all(item.size > 0 for item in provided)


def test_switches(root: Path, contents: Path) -> None:
    modules = frozenset({"ssl", "zoneinfo"})
    provide(contents, modules, {**NONE, "ca_certs": False, "terminfo": True, "tzdata": None}, root)
    assert names(contents) == {"zoneinfo", "terminfo"}


def test_no_time_zones(root: Path, contents: Path) -> None:
    provide(contents, frozenset({"zoneinfo"}), {**NONE, "tzdata": False}, root)
    assert names(contents) == set()


def test_content(root: Path, contents: Path) -> None:
    provide(contents, frozenset(), dict.fromkeys(NONE, True), root)
    base = contents / "_freezer"
    assert (base / "locale/C.utf8/LC_CTYPE").read_text() == "data"
    assert sorted(str(p.relative_to(base / "terminfo")) for p in (base / "terminfo").rglob("*") if p.is_file()) == [
        "d/dumb", "x/xterm",
    ]  # fmt: skip
    assert "BEGIN CERTIFICATE" in (base / "cacert.pem").read_text()
    assert (base / "zoneinfo/Europe/Berlin").read_bytes().startswith(b"TZif")
    assert "https" in (base / "etc/services").read_text() and "icmp" in (base / "etc/protocols").read_text()
    assert not (base / "zones").exists()
    assert not list(base.rglob("*.py")) and not list(base.rglob("__pycache__"))


def test_what_the_system_lacks(tmp_path: Path, contents: Path) -> None:
    (tmp_path / "bare").mkdir()
    _, lacking = provide(contents, frozenset({"readline"}), NONE, tmp_path / "bare")
    assert lacking == ["locale C.UTF-8", "terminal descriptions"]


def test_size_of(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"123")
    (tmp_path / "y").write_bytes(b"4567")
    assert (size_of(tmp_path), size_of(tmp_path / "y")) == (7, 4)
