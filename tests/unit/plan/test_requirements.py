"""Which files decide about an installation: requirements, what they include, and local projects."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import plan_with_requirements as plan

from freezer.plan import requirements
from freezer.plan.requirements import requirements_state, tree_signature


def test_requirements_that_include_each_other(site: Path) -> None:
    (site / "more.txt").write_text("-r r.txt\n")
    assert requirements_state(plan(site))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("-r a.txt", [(True, "a.txt")]),
        ("-ra.txt", [(True, "a.txt")]),
        ("--requirement=a.txt", [(True, "a.txt")]),
        ("--constraint a.txt", [(True, "a.txt")]),
        ("./local[x]", [(False, "./local")]),
        ("-e ./local", [(False, "./local")]),
        ("six==1", []),
        ("--index-url https://example.invalid/simple", []),
    ],
)
def test_including(line: str, found: list[tuple[bool, str]]) -> None:
    assert list(requirements._including(line.split())) == found


@given(st.text())
def test_any_line_is_looked_at_without_failing(line: str) -> None:
    if requirements._parsable(line):
        list(requirements._including(line.split()))


def test_tree_signature(tmp_path: Path) -> None:
    for name in ("b/x", "a", ".git/x", "x.egg-info/y", "__pycache__/z"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "dangling").symlink_to("nothing")
    names = [str(Path(name).relative_to(tmp_path)) for name, _, _ in tree_signature(tmp_path)]
    assert names == ["a", "dangling", "b/x"]
    assert tree_signature(tmp_path / "a")[0][:2] == (str(tmp_path / "a"), 0)
