"""What git ignores, compared with git where it is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support import need_program

from freezer.application.ignored import Ignored, read_patterns

PATTERNS = """\
# comment
*.log
!keep.log
/top.txt
build/
docs/*.html
a/**/z.txt
**/deep.txt
data/**
file[0-9].txt
what?.txt
trailing.txt\x20\x20
\\#hash
with\\ space\\
"""
FILES = (
    "x.log sub/x.log keep.log sub/keep.log top.txt sub/top.txt build/x sub/build/x docs/x.html docs/sub/x.html "
    "a/z.txt a/b/z.txt a/b/c/z.txt deep.txt sub/deep.txt data/x data/y/z file1.txt filex.txt what1.txt what.txt "
    "trailing.txt #hash plain sub/inner.txt sub/other.txt"
).split()


def tree(top: Path) -> None:
    for name in FILES:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("")
    (top / ".gitignore").write_text(PATTERNS)
    (top / "sub" / ".gitignore").write_text("inner.txt\n!x.log\n")


def ignored_below(top: Path) -> set[str]:
    """The ignored files, found as the ground is walked."""
    ignored = Ignored(top)
    found: set[Path] = set()

    def visit(folder: Path) -> None:
        ignored.enter(folder)
        for path in sorted(folder.iterdir()):
            if path.name in (".git", ".gitignore"):
                continue
            if ignored.has(path, directory=path.is_dir()):
                found.update([path] if path.is_file() else (item for item in path.rglob("*") if item.is_file()))
            elif path.is_dir():
                visit(path)

    visit(top)
    return {str(path.relative_to(top)) for path in found}


def test_patterns(tmp_path: Path) -> None:
    tree(tmp_path)
    found = ignored_below(tmp_path)
    assert {"x.log", "top.txt", "build/x", "sub/build/x", "docs/x.html", "a/b/z.txt", "data/y/z", "file1.txt"} <= found
    assert not {"keep.log", "sub/x.log", "sub/top.txt", "docs/sub/x.html", "filex.txt", "plain"} & found


def test_git_says_the_same(tmp_path: Path) -> None:
    need_program("git")
    tree(tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".git" / "info" / "exclude").write_text("plain\n")
    done = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ignored_below(tmp_path) == set(done.stdout.split("\0")) - {""}


def test_a_directory_below_the_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("/app/secret.txt\n*.bin\n")
    app = tmp_path / "app"
    app.mkdir()
    ignored = Ignored(app)
    assert ignored.has(app / "secret.txt", directory=False)
    assert ignored.has(app / "x.bin", directory=False)
    assert not ignored.has(app / "x.txt", directory=False)


def test_what_is_above_a_directory_that_is_in_no_repository_does_not_count(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "app").mkdir()
    assert not Ignored(tmp_path / "app").has(tmp_path / "app" / "x", directory=False)


@given(st.text(alphabet="ab*?[]!\\/#-. \n", max_size=40))
def test_any_pattern_can_be_read(text: str) -> None:
    for pattern in read_patterns(text, Path("/top")):
        pattern.matches.fullmatch("a/b")
