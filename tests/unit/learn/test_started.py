"""Which processes are runs of the application, and what an empty root can repeat of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer.learn.facts import read_facts
from freezer.learn.started import MOST_RUNS, Started, Starts, runs_of, started_by


@pytest.mark.parametrize(
    ("words", "started"),
    [
        (["python", "app.py", "-x"], Started("app.py", "", ("-x",))),
        (["python", "-m", "pkg", "a"], Started("", "pkg", ("a",))),
        (["python", "-mpkg"], Started("", "pkg", ())),
        (["python", "-Bm", "pkg"], Started("", "pkg", ())),
        (["python", "-W", "error", "-Xdev", "-B", "app.py"], Started("app.py", "", ())),
        (["python", "--check-hash-based-pycs", "never", "app.py"], Started("app.py", "", ())),
        (["python", "-c", "pass", "app.py"], None),
        (["python", "-cpass"], None),
        (["python", "-", "a"], None),
        (["python", "-m"], None),
        (["python"], None),
        ([], None),
    ],
)
def test_command_lines(words: list[str], started: Optional[Started]) -> None:
    assert started_by(words) == started


def starts(ground: Any, **application: Any) -> Starts:
    from plans import plan

    return Starts(plan(ground.app, entry="app.py"), ground.application(**application), ground.environment)


def run(ground: Any, *words: str, child: bool = False, folder: Optional[Path] = None) -> Any:
    return ground.fact("run", "\0".join(("python", *words)), more=folder or ground.app, child=child)


def test_runs_of_a_script(ground: Any) -> None:
    facts = [
        run(ground, "app.py", "--go", "a b"),
        run(ground, str(ground.entry), "one", child=True),
        run(ground, "-m", "app", "two", child=True),
        run(ground, "other.py", child=True),
        run(ground, "app.py", "three", child=True, folder=ground.folder),
    ]
    found = runs_of(facts, starts(ground), ground.app, 0)
    assert found == {"--go 'a b'": "status 0", "one": "any status", "two": "any status"}
    assert set(runs_of(facts, starts(ground), ground.app, None).values()) == {"any status"}


def test_an_end_is_known_only_of_the_command_itself(ground: Any) -> None:
    facts = [run(ground, "app.py", "x", child=True), run(ground, "app.py", "x")]
    assert runs_of(facts, starts(ground), ground.app, 0) == {"x": "status 0"}
    facts.append(run(ground, "other.py"))
    assert runs_of(facts, starts(ground), ground.app, 0) == {"x": "any status"}


def test_arguments_that_name_files_are_of_this_machine(ground: Any) -> None:
    ground.write(ground.app / "data.csv")
    words = ["/etc/passwd", "--to=/tmp/x", "data.csv", "--in=data.csv", "new.csv", "--in=new.csv"]
    facts = [run(ground, "app.py", word, child=True) for word in words]
    assert list(runs_of(facts, starts(ground), ground.app, 0)) == ["--in=new.csv", "new.csv"]


def test_there_is_a_limit(ground: Any) -> None:
    facts = [run(ground, "app.py", f"{number:03}", child=True) for number in range(99)]
    assert list(runs_of(facts, starts(ground), ground.app, 0)) == [f"{number:03}" for number in range(MOST_RUNS)]


def test_console_scripts_and_modules(ground: Any) -> None:
    ground.write(ground.packages / "it-1.dist-info" / "METADATA", "Name: it\nVersion: 1\n")
    ground.write(
        ground.packages / "it-1.dist-info" / "entry_points.txt", "[console_scripts]\nit = it.shell:cli\nof = a:b\n"
    )
    bin_folder = ground.home / "bin"
    facts = [
        run(ground, str(bin_folder / "it"), "1"), run(ground, str(bin_folder / "of"), "2"),
        run(ground, "/usr/bin/it", "3"), run(ground, "-m", "it", "4"), run(ground, "-m", "it.shell", "5"),
        run(ground, "-m", "pytest", "6"),
    ]  # fmt: skip
    assert list(runs_of(facts, starts(ground, function="it.shell:cli"), ground.app, 0)) == ["1", "4", "5"]


def test_a_process_notes_what_it_was_started_with(tmp_path: Path) -> None:
    from freezer.learn.command import PROGRAMS
    from freezer.learn.drivers import DRIVERS

    for name in ("hook", "notes"):
        (tmp_path / name).mkdir()
    for name in PROGRAMS:
        (tmp_path / "hook" / name).write_bytes((DRIVERS / name).read_bytes())
    (tmp_path / "notes" / "roots").write_text(f"{tmp_path}/")
    (tmp_path / "app.py").write_text("import os\nif os.fork() == 0: os._exit(0)\nos.wait()\n")
    words = [sys.executable, "-B", "app.py", "ü \n", ""]
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "hook")}
    subprocess.run(words, cwd=tmp_path, env=env, check=True)
    facts = [fact for fact in read_facts(tmp_path / "notes").facts if fact.kind == "run"]
    assert [(fact.name.split("\0"), fact.more, fact.child) for fact in facts] == [(words, str(tmp_path), False)]
