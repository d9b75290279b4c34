"""Modules of the C library for charsets come along, as code or the user names them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import NEW_TAGS, shared_library

from freezer.base.errors import InputError
from freezer.closure.charsets import CHARSETS, Charsets, Modules, bring_charsets

MAIN = """\
# a comment
alias\tISO8859-15//\tISO-8859-15//
alias\tLATIN-9//\tISO-8859-15//
module\tISO-8859-15//\tINTERNAL\tISO8859-15\t1
module\tINTERNAL\tISO-8859-15//\tISO8859-15\t1
broken
"""
MORE = """\
alias EUCJP// EUC-JP//
module EUC-JP// INTERNAL EUC-JP 1
module INTERNAL EUC-JP// EUC-JP
module KOI8-R// INTERNAL KOI8-R 1
module INTERNAL KOI8-R// KOI8-R 1
module KOI8-R// EUC-JP// DIRECT 1
"""
FOLDER = "usr/lib/here-linux-gnu/gconv"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system whose C library looks for its modules in FOLDER."""
    root = tmp_path / "root"
    folder = root / FOLDER
    (folder / "gconv-modules.d").mkdir(parents=True)
    (folder / "gconv-modules").write_text(MAIN)
    (folder / "gconv-modules.d/more.conf").write_text(MORE)
    (folder / "gconv-modules.d/more.old").write_text("alias X// Y//\n")
    (root / "lib").mkdir()
    (root / "lib/libc.so.6").write_bytes(
        b"ELF\0/" + FOLDER.encode() + b"/gconv-modules.cache\0/" + FOLDER.encode() + b"\0"
    )
    tables = shared_library(folder / "libJIS.so")
    shared_library(folder / "EUC-JP.so", NEW_TAGS, "-Wl,-rpath,$ORIGIN", needs=(tables,))
    for name in ("ISO8859-15", "KOI8-R", "DIRECT"):
        shared_library(folder / f"{name}.so")
    return root


def bring(root: Path, *wanted: str, named: tuple[str, ...] = ()) -> Charsets:
    return bring_charsets(wanted, named, Modules(root, [root / "nowhere", root / "lib"]), root.parent / "contents")


def brought(root: Path) -> set[str]:
    folder = root.parent / "contents/_freezer" / CHARSETS
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize("name", ["ISO-8859-15", "iso8859-15", "Latin-9", "iso885915"])
def test_one_by_any_of_its_names(root: Path, name: str) -> None:
    found = bring(root, name)
    assert brought(root) == {"gconv-modules", "ISO8859-15.so"}
    place = f"_internal/_freezer/{CHARSETS}/ISO8859-15.so"
    assert found.sources == {place: root / FOLDER / "ISO8859-15.so"}
    assert [item.name for item in found.provided] == [CHARSETS] and found.provided[0].size > 500
    text = (root.parent / "contents/_freezer" / CHARSETS / "gconv-modules").read_text()
    assert text.splitlines() == [
        "alias ISO8859-15// ISO-8859-15//",
        "alias LATIN-9// ISO-8859-15//",
        "module ISO-8859-15// INTERNAL ISO8859-15 1",
        "module INTERNAL ISO-8859-15// ISO8859-15 1",
    ]


def test_what_a_module_needs_comes_along(root: Path) -> None:
    bring(root, named=("eucJP",))
    assert brought(root) == {"gconv-modules", "EUC-JP.so", "libJIS.so"}


def test_modules_between_two_that_come_along(root: Path) -> None:
    bring(root, "koi8r", named=("EUC-JP",))
    assert brought(root) == {"gconv-modules", "EUC-JP.so", "libJIS.so", "KOI8-R.so", "DIRECT.so"}


def test_all_and_none(root: Path) -> None:
    assert bring(root, "none", named=("EUC-JP",)) == Charsets()
    assert bring(root) == Charsets()
    assert brought(root) == set()
    bring(root, "all", "EUC-JP")
    assert len(brought(root)) == 6


@pytest.mark.parametrize("name", ["UTF-16LE", "ucs-4", "ASCII", "ANSI_X3.4-1968", "ISO-10646/UTF8"])
def test_some_need_no_module(root: Path, name: str) -> None:
    assert bring(root, name) == Charsets()


def test_what_the_system_does_not_know(root: Path) -> None:
    """A user's wish is not ignored; what code names may be for another system."""
    assert bring(root, named=("GB18030", "KOI8-R")).lacking == ("GB18030",)
    with pytest.raises(InputError, match=re.escape("--charset GB18030: ")):
        bring(root, "GB18030")


@pytest.mark.parametrize("gone", [f"{FOLDER}/gconv-modules", "lib/libc.so.6"])
def test_a_system_without_modules(root: Path, gone: str) -> None:
    (root / gone).unlink()
    assert bring(root, named=("KOI8-R",)) == Charsets(lacking=("KOI8-R",))
    with pytest.raises(InputError, match="--charset all"):
        bring(root, "all")
