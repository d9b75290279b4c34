"""What .dockerignore leaves out, the patterns for freezer leave out, and nothing else."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.scaffold.docker_ignored import exclusions, read_lines

FILES = (
    *("notes.md", "pkg/help.md", "docs/a.txt", "docs/deep/b.txt", "data/seed.json", "data/big.bin", "x/docs/c.txt"),
    *("static/app.css", "static/app.css.map", "static/deep/z.map", "a*b.txt", "aXb.txt", "logo.png", "dist/x.json"),
)
CODE = ("app.py", "pkg/__init__.py", "data/load.py")


def left_out(patterns: tuple[str, ...]) -> set[str]:
    """What of the files a build leaves out, as freezer/application/ground.py does."""

    def places(name: str) -> list[str]:
        path = PurePosixPath(name)
        return [str(path), *map(str, path.parents)]

    return {
        name
        for name in (*FILES, *CODE)
        if any(fnmatchcase(place, pattern.rstrip("/")) for place in places(name) for pattern in patterns)
    }


@pytest.mark.parametrize(
    ("text", "gone", "patterns"),
    [
        ("docs\n", {"docs/a.txt", "docs/deep/b.txt"}, ("docs",)),
        ("/docs/\n./docs\n", {"docs/a.txt", "docs/deep/b.txt"}, ("docs",)),
        ("docs/**\n", {"docs/a.txt", "docs/deep/b.txt"}, ("docs",)),
        ("**/docs\n", {"docs/a.txt", "docs/deep/b.txt", "x/docs/c.txt"}, ("docs", "*/docs")),
        ("**/*.map\n", {"static/app.css.map", "static/deep/z.map"}, ("*.map",)),
        ("static/**/*.map\n", {"static/app.css.map", "static/deep/z.map"}, ("static/*.map",)),
        ("*.md\n", {"notes.md"}, ("notes.md",)),
        ("static/*.map\n", {"static/app.css.map"}, ("static/app.css.map",)),
        ("data\n!data/seed.json\n", {"data/big.bin"}, ("data/big.bin",)),
        ("data\n!data\n", set(), ()),
        ("!data/seed.json\ndata/seed.json\n", {"data/seed.json"}, ("data/seed.json",)),
        ("*\n!pkg\n!static\n", {name for name in FILES if not name.startswith(("pkg/", "static/"))},
         ("a[*]b.txt", "aXb.txt", "data/big.bin", "data/seed.json", "dist", "docs", "logo.png", "notes.md", "x")),
        ("**\n!data\n", set(FILES) - {"data/seed.json", "data/big.bin"}, None),
        ("a\\*b.txt\n", {"a*b.txt"}, ("a[*]b.txt",)),
        ("a?b.txt\n", {"a*b.txt", "aXb.txt"}, ("a?b.txt",)),
        ("a[^*]b.txt\n", {"aXb.txt"}, ("a[!*]b.txt",)),
        ("# docs\n\n.\n!\n", set(), ()),
        ("dist\n", {"dist/x.json"}, ("dist",)),
        # For files that are to come.
        ("uploads\n*.sqlite\n", set(), ("uploads", "*.sqlite")),
        # What never comes along is not worth a line.
        (".git\n.venv\nDockerfile*\n**/__pycache__\n*.pyc\n*.log\nnode_modules/\n.env\ntests/*\nREADME.md", set(), ()),
    ],
)  # fmt: skip
def test_what_is_left_out(text: str, gone: set[str], patterns: tuple[str, ...] | None) -> None:
    found = exclusions(text, FILES, CODE)
    assert left_out(found) == gone
    assert patterns is None or found == patterns


WORDS = st.sampled_from(["*", "**", "docs", "data", "*.md", "*.txt", "static", "deep", "?*b*", "seed.json", "[a-m]*"])
PATTERNS = st.lists(WORDS, min_size=1, max_size=3).map("/".join)
LINES = st.lists(st.tuples(st.sampled_from(["", "!", "/"]), PATTERNS).map("".join), max_size=5)


@given(LINES)
def test_any_patterns(lines: list[str]) -> None:
    """The files that are left out are those that docker leaves out: the last line that matches them, or a directory
    above them, decides."""
    text = "\n".join(lines)
    parsed = list(read_lines(text))
    expected = set()
    for name in FILES:
        path = PurePosixPath(name)
        places = [str(path), *map(str, path.parents)][:-1]
        decided = [line for line in parsed if any(line.matches.fullmatch(place) for place in places)]
        if decided and not decided[-1].comes_back:
            expected.add(name)
    assert left_out(exclusions(text, FILES, CODE)) == expected
