"""``freezer inspect``: a table, JSON, or a page in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from images import Made, archive, file

from freezer.base.errors import ExitStatus
from freezer.cli.main import main


@pytest.fixture
def image(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here.parent / f"cache of {here.name}"))
    return Made(archive(file("run", b"program", mode=0o755))).write(here / "image.tar")


def test_a_table(image: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["inspect", "image.tar"]) == 0
    out = capsys.readouterr().out
    assert {"image", "Kinds", "Groups"} <= set(out.split())
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 60


def test_json(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "image.tar", "--json", "-q"]) == 0
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    assert (report["path"], report["kind"], report["size"]) == (str(image), "image", image.stat().st_size)
    assert shown.err == ""


def test_a_page(image: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "image.tar", "--html", "deep/map.html"]) == 0
    assert capsys.readouterr().out == f"{here}/deep/map.html\n"
    text = (here / "deep" / "map.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert main(["inspect", "image.tar", "--html", "deep/map.html", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "image"


def test_the_place_of_the_page_is_checked_first(image: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "none", "--html", "."]) == ExitStatus.OUTPUT
    assert "is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"), [("none", "does not exist"), ("app.py", "is not an image"), (".", "is not a file")]
)
def test_refusals(image: Path, here: Path, capsys: pytest.CaptureFixture[str], name: str, words: str) -> None:
    (here / "app.py").write_text("print('hello')\n")
    before = sorted(here.iterdir())
    assert main(["inspect", name, "--html", "map.html"]) == ExitStatus.INPUT
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err
    assert sorted(here.iterdir()) == before
