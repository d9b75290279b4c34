"""Which files decide about an installation: requirements, what they include, and local projects."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import plan_with_requirements as plan

from freezer.base.errors import InputError
from freezer.plan import requirements
from freezer.plan.requirements import local_paths, requirements_state, tree_signature


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


def test_what_changes_the_state(site: Path) -> None:
    before = requirements_state(plan(site))
    (site / "unrelated").write_text("changed")
    (site / "local" / "build" / "product").write_text("changed")
    assert requirements_state(plan(site)) == before
    for name in ("r.txt", "more.txt", "c.txt", "local/setup.py"):
        with open(site / name, "a") as file:
            file.write("\n# more\n")
        after = requirements_state(plan(site))
        assert after != before
        before = after


def test_local_paths(site: Path) -> None:
    made = plan(site, **{"with": ["./local[extra]", "six", "thing @ file://" + str(site / "local"), "./gone"]})
    assert local_paths(made) == {site, site / "local"}


def test_local_paths_are_relative_to_the_file_too(site: Path) -> None:
    (site / "deep" / "own").mkdir(parents=True)
    (site / "deep" / "r.txt").write_text("./own\n-e ./own\n'unfinished\n")
    assert site / "deep" / "own" in local_paths(plan(site, requirement=["deep/r.txt"]))


def test_a_requirements_file_that_cannot_be_read(site: Path) -> None:
    made = plan(site)
    (site / "r.txt").unlink()
    with pytest.raises(InputError, match=r"cannot read .*r\.txt: No such file"):
        requirements_state(made)
