"""The root that layers make together, and the program in it that is started."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.base import tar
from freezer.image.merged import MergedRoot, command_of, find_program


def member(name: str, kind: tar.Kind = tar.Kind.FILE, target: str = "", mode: int = 0o755) -> tar.Member:
    return tar.Member(name, kind, 0, mode, 0, 0, 0, target)


def root(*names: str, links: Optional[dict[str, str]] = None) -> MergedRoot:
    made = MergedRoot()
    for name in names:
        made.put(name.rstrip("/"), member(name, tar.Kind.DIRECTORY if name.endswith("/") else tar.Kind.FILE))
    for name, target in (links or {}).items():
        made.put(name, member(name, tar.Kind.SYMLINK, target))
    return made


def test_a_file_replaces_a_directory_with_all_in_it() -> None:
    made = root("a/", "a/b", "a/c/d", "ab")
    made.put("a", member("a"))
    assert set(made.entries) == {"a", "ab"}


def test_a_directory_keeps_what_is_in_it() -> None:
    made = root("a/", "a/b")
    made.put("a", member("a", tar.Kind.DIRECTORY, mode=0o700))
    assert (made.entries["a"].mode, set(made.entries)) == (0o700, {"a", "a/b"})


def test_removing() -> None:
    """Also where no layer named the directory."""
    made = root("a/b/c", "a/bc", "d")
    made.remove("a/b")
    made.remove("nothing")
    assert set(made.entries) == {"a/bc", "d"}


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
STEPS = st.lists(st.tuples(st.sampled_from(["file", "folder", "remove", "hide"]), NAMES, st.frozensets(NAMES)))


@given(STEPS)
def test_like_looking_through_all_names(steps: list[tuple[str, str, frozenset[str]]]) -> None:
    made, expected = MergedRoot(), set[str]()
    for what, name, kept in steps:
        below = {item for item in expected if item.startswith(name + "/")}
        if what == "hide":
            made.hide(name, kept)
            expected -= below - kept
        elif what == "remove":
            made.remove(name)
            expected -= below | {name}
        else:
            made.put(name, member(name, tar.Kind.DIRECTORY if what == "folder" else tar.Kind.FILE))
            expected -= below if what == "file" and name in expected else set()
            expected.add(name)
        assert set(made.entries) == expected


def test_many_entries_that_are_replaced() -> None:
    """Each replacement costs what it replaces, and not the size of the whole."""
    made = root(*(f"d{number % 300}/f{number}" for number in range(60_000)))
    for number in range(20_000):
        made.put(f"d{number % 300}/f{number}", member("new", mode=0o600))
    assert len(made.entries) == 60_000 and made.entries["d0/f0"].mode == 0o600


@pytest.mark.parametrize(
    ("links", "path", "found"),
    [
        ({}, "/usr/bin/app", "usr/bin/app"),
        ({}, "usr/bin/app/", "usr/bin/app"),
        ({"bin": "usr/bin"}, "/bin/app", "usr/bin/app"),
        ({"bin": "/usr/bin"}, "/bin/app", "usr/bin/app"),
        ({"a": "b", "b": "usr"}, "/a/bin/app", "usr/bin/app"),
        ({"usr/app": "../../../usr/bin/app"}, "/usr/app", "usr/bin/app"),
        ({"a": "b", "b": "a"}, "/a", None),
        ({"a": "a"}, "/a/b", None),
        ({}, "/usr/bin/other", None),
        ({}, "/usr/./bin//../bin/app", "usr/bin/app"),
        ({"x": "usr/bin"}, "/x/../bin/app", "usr/bin/app"),
        ({"usr/up": "../.."}, "/usr/up/usr/bin/app", "usr/bin/app"),
    ],
)
def test_paths_lead_through_links_inside_the_root(links: dict[str, str], path: str, found: Optional[str]) -> None:
    result = root("usr/", "usr/bin/", "usr/bin/app", links=links).executable(path)
    assert (result.name if result else None) == found


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ()),
        ({"Cmd": ["/a", "b"]}, ("/a", "b")),
        ({"Entrypoint": ["/a"], "Cmd": ["b"]}, ("/a", "b")),
        ({"Entrypoint": None, "Cmd": "no list"}, ()),
        ({"Entrypoint": ["/a", 1]}, ("/a", "1")),
    ],
)
def test_commands(settings: dict[str, Any], words: tuple[str, ...]) -> None:
    assert command_of(settings) == words


@pytest.mark.parametrize(
    ("name", "settings", "found"),
    [
        ("/usr/bin/app", {}, True),
        ("./app", {"WorkingDir": "/usr/bin"}, True),
        ("bin/app", {"WorkingDir": "/usr"}, True),
        ("bin/app", {}, False),
        ("app", {"Env": ["PATH=/none:/usr/bin"]}, True),
        ("app", {"Env": ["PATH=/none::"]}, False),
        ("app", {"Env": None}, False),
        ("app", {"WorkingDir": "/usr/bin"}, False),
        ("/usr/bin", {}, False),
    ],
)
def test_programs(name: str, settings: dict[str, Any], found: bool) -> None:
    program = find_program(name, settings, root("usr/", "usr/bin/", "usr/bin/app"))
    assert (program is not None and program.name == "usr/bin/app") is found
