"""``--timings``: lines, and a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer import pipeline
from freezer.base.errors import ExitStatus, UsageError
from freezer.base.publish import PAGE_START, is_result
from freezer.base.timings import STAGE, TOOL, Span, Timings
from freezer.cli import timings as shown
from freezer.cli.main import main
from freezer.cli.timings import lines, ordered, page_of, write_page


def timings_of(*spans: Span) -> Timings:
    timings = Timings()
    timings.spans.extend(spans)
    return timings


SOME = (
    Span(TOOL, "freeze <app> & more", 0.2, 1.0, 0.9),
    Span(STAGE, "freeze", 0.1, 1.2, 1.0),
    Span(TOOL, "too short to see", 1.4, 0.001, 0.0),
    Span(TOOL, "compress", 1.5, 0.5, None),
    Span(STAGE, "link", 1.35, 0.8, 0.6),
    Span(TOOL, "in no stage", 2.5, 0.3, 0.1),
)


def test_a_stage_comes_before_what_happened_in_it() -> None:
    assert [span.title for span in ordered(timings_of(*SOME))] == [
        "freeze",
        "freeze <app> & more",
        "link",
        "too short to see",
        "compress",
        "in no stage",
    ]


def test_the_lines() -> None:
    text = "\n".join(lines(timings_of(*SOME)))
    assert re.search(r"^  freeze +1\.20 s +1\.00 s$", text, re.MULTILINE)
    assert re.search(r"^    freezer itself +0\.10 s$", text, re.MULTILINE)
    assert re.search(r"^    compress +0\.50 s +-$", text, re.MULTILINE)
    assert "too short to see" not in text
    assert text.splitlines()[-1].split()[0] == "all"
    assert all(len(line) <= 80 for line in text.splitlines())


def test_the_page(tmp_path: Path) -> None:
    target = tmp_path / "times.html"
    write_page(timings_of(*SOME), "a <b>", target)
    page = target.read_text(encoding="utf-8")
    assert page.startswith(PAGE_START) and is_result(target)
    assert "<h1>a &lt;b&gt;</h1>" in page and "freeze &lt;app&gt; &amp; more" in page
    assert "<script" not in page and "default-src 'none'" in page
    assert page.count("<tr class=") == len(SOME) == page.count("<rect ")
    # It may be written again.
    assert page_of(str(target)) == target
    write_page(timings_of(), "again", target)


@pytest.mark.parametrize(("name", "why"), [("times.txt", "must end in"), ("own.html", "would be replaced")])
def test_another_file_is_no_page(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "own.html").write_text("<!DOCTYPE html><p>mine")
    with pytest.raises(UsageError, match=why):
        page_of(str(tmp_path / name))
    assert (tmp_path / "own.html").read_text().endswith("mine")


def test_no_page() -> None:
    assert page_of(None) is None and page_of("") is None


@pytest.mark.parametrize(
    ("words", "entry", "given"),
    [
        (["--timings", "app.py"], "app.py", ""),
        (["app.py", "--timings"], "app.py", ""),
        (["app.py", "--timings", "t.html"], "app.py", "t.html"),
        (["--timings=t.html", "app.py"], "app.py", "t.html"),
        (["--timings", "--verify", "app.py"], "app.py", ""),
    ],
)
def test_the_entry_is_not_its_value(
    here: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], entry: str, given: str
) -> None:
    found: list[Optional[str]] = []
    monkeypatch.setattr(shown, "page_of", found.append)

    def build(plan: Any, **_options: Any) -> None:
        found.append(Path(plan.entry.path).name)
        raise UsageError("enough")

    monkeypatch.setattr(pipeline, "build", build)
    assert main(["build", *words]) == ExitStatus.USAGE
    assert found == [given, entry]
