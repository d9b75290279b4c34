"""Notes are read as they were written, whatever became of the process."""

from __future__ import annotations

from pathlib import Path

from freezer.learn.facts import Fact, read_facts


def test_notes_are_read(tmp_path: Path) -> None:
    (tmp_path / "roots").write_text("/site/")
    (tmp_path / "1-1-a").write_text(
        "process\t'/bin/python'\t'first'\t''\t0\n"
        "read\t'/site/a\\tb\\n\\udcff'\t''\t'/site/app.py'\t3\n"
        "module\t'x'\t'/site/x.py'\t'/site/app.py'\t2\n"
    )
    (tmp_path / "2-1-b").write_text("process\t'/bin/python'\t'child'\t''\t0\nread\t'/site/c'\t''\t''\t0\n")
    found = read_facts(tmp_path)
    assert found.processes == 2
    assert found.facts == (
        Fact("module", "x", "/site/x.py", "/site/app.py", 2, child=False),
        Fact("read", "/site/a\tb\n\udcff", "", "/site/app.py", 3, child=False),
        Fact("read", "/site/c", "", "", 0, child=True),
    )


def test_what_is_not_whole_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "1-1-a").write_text(
        "read\t'/a'\t''\t''\nread\t'/b'\t''\t''\tx\nread\t5\t''\t''\t0\nread\t'/c\t''\t''\t0\nread\t'/d'\t''\t''\t0\nre"
    )
    assert [fact.name for fact in read_facts(tmp_path).facts] == ["/d"]


def test_a_fact_of_several_processes_is_one(tmp_path: Path) -> None:
    for name in ("1-1-a", "2-1-b"):
        (tmp_path / name).write_text("read\t'/a'\t''\t'/app.py'\t1\n")
    assert len(read_facts(tmp_path).facts) == 1
