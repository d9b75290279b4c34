"""The lines of learned things: their text, and what is added to them."""

from __future__ import annotations

from pathlib import Path

from plans import plan

from freezer.plan.learned import FILE_NAME, HEADER, RUNS_HEADER, Learned


def test_the_text_is_sorted_with_a_line_for_each(tmp_path: Path) -> None:
    text = Learned(tmp_path / FILE_NAME, tmp_path, modules={"b": "y:2", "a": "x:1"}, libraries={"l.so": "z:3"}).text()
    assert text == HEADER + '\n[modules]\n"a" = "x:1"\n"b" = "y:2"\n\n[libraries]\n"l.so" = "z:3"\n'


def test_adding_keeps_the_committed_place(tmp_path: Path) -> None:
    committed = Learned(tmp_path / "x", tmp_path, modules={"a": "app.py:1"})
    seen = Learned(tmp_path / "y", tmp_path, modules={"a": "app.py:99", "b": "app.py:2"})
    together = seen.added_to(committed)
    assert (together.path, together.modules) == (tmp_path / "x", {"a": "app.py:1", "b": "app.py:2"})
    assert list(seen.without(committed).lines()) == [("modules", "b", "app.py:2")]


def test_runs_are_no_needs_and_the_newest_known_end_counts(tmp_path: Path) -> None:
    committed = Learned(tmp_path / "x", tmp_path, runs={"a": "status 0", "b": "status 0", "c": "any status"})
    seen = Learned(tmp_path / "x", tmp_path, runs={"a": "any status", "b": "status 3", "d": "any status"})
    together = seen.added_to(committed)
    assert together.runs == {"a": "status 0", "b": "status 3", "c": "any status", "d": "any status"}
    assert list(together.lines()) == []
    assert Learned(tmp_path / "x", tmp_path, runs={"": "status 0"}).text() == HEADER + RUNS_HEADER + '"" = "status 0"\n'


def test_its_content_decides_the_result(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    without = plan(tmp_path, entry="app.py").digest_parts()
    (tmp_path / FILE_NAME).write_text('[modules]\n"a" = "x"\n')
    one = plan(tmp_path, entry="app.py").digest_parts()
    (tmp_path / FILE_NAME).write_text('[modules]\n"b" = "x"\n')
    two = plan(tmp_path, entry="app.py").digest_parts()
    assert without != one != two
