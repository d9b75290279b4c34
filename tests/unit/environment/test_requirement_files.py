"""Editable requirements become plain ones; everything else stays as the user wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import plan
from running import Runner

from freezer.environment.requirement_files import plain_files
from freezer.system.host import Host


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for name in ("here/lib", "here/deep/wheels", "here/a b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "here" / "app.py").write_text("")
    return tmp_path / "here"


def given(here: Path, **files: str) -> list[str]:
    """The lines that pip gets for r.txt, without blank ones."""
    for name, text in files.items():
        (here / name.replace("__", "/")).with_suffix(".txt").write_text(text)
    (file,) = plain_files(plan(here, entry="app.py", requirement=["r.txt"]), Host(), Runner(here.parent).job)
    return [line.strip() for line in file.read_text().splitlines() if line.strip()]


def test_files_without_editable_requirements_are_given_as_they_are(here: Path) -> None:
    (here / "r.txt").write_text("six\n-r more.txt\n")
    (here / "more.txt").write_text("./lib\n")
    made = plan(here, entry="app.py", requirement=["r.txt"])
    assert plain_files(made, Host(), Runner(here.parent).job) == made.requirements
    assert not (here.parent / "requirements").exists()


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("-e ./lib", "./lib"),
        ("-e ../lib[x]", "../lib[x]"),
        ("--editable=./lib  # ours", "./lib"),
        ("--edit \\\n  ./lib", "./lib"),
        ("-e lib", "./lib"),
        ("-e lib[x]", "./lib[x]"),
        ("-e './a b'", "./a b"),
        ("-e git+https://example.invalid/x@v1#egg=x", "git+https://example.invalid/x@v1#egg=x"),
    ],
)
def test_an_editable_requirement(here: Path, line: str, plain: str) -> None:
    assert given(here, r=f"{line}\n") == [plain]


def test_what_else_is_in_the_file(here: Path) -> None:
    kept = ["# why", "six==1.0 ; python_version > '3' --hash=sha256:aa", "--index-url https://example.invalid/simple"]
    assert given(here, r="\n".join([*kept, "-e ./lib"])) == [*kept, "./lib"]


def test_included_files(here: Path) -> None:
    lines = given(here, r="-r deep/more.txt\n-c c.txt\n", deep__more="-e ./lib\n-f wheels\n-r ../r.txt\n", c="six<2\n")
    folder = here.parent / "requirements"
    assert lines == [f"--requirement {folder}/2-more.txt", f"--constraint {folder}/1-c.txt"]
    assert (folder / "2-more.txt").read_text().splitlines() == [
        "./lib",
        f"-f wheels --find-links {here}/deep/wheels",
        f"--requirement {folder}/0-r.txt",
    ]
    assert (folder / "1-c.txt").read_text() == "six<2\n"
