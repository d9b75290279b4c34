"""Which files decide about an installation: requirements, what they include, and local projects."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import plan_with_requirements as plan

from freezer.base.errors import InputError
from freezer.plan.requirements import local_paths, requirements_content, requirements_state


def test_requirements_that_include_each_other(site: Path) -> None:
    (site / "more.txt").write_text("-r r.txt\n")
    assert requirements_state(plan(site))


def test_what_changes_the_state(site: Path) -> None:
    before = requirements_state(plan(site))
    (site / "unrelated").write_text("changed")
    (site / "local" / "build" / "lib" / "product").write_text("changed")
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


FORMS = {
    "path": "{lib}",
    "path and extras": "{lib}[x]",
    "url": "file://{lib}",
    "named": "lib @ file://{lib}",
    "named, with extras and a marker": "lib[x] @ file://{lib} ; python_version > '3'",
    "editable": "-e {lib}",
    "editable, by its name": "-e named",
    "editable url": "--editable=file://{lib}#egg=lib",
    "abbreviated": "--edit {lib}",
    "continued": "--editable \\\n{lib}",
    "variable": "${{FREEZER_TEST_LIB}}",
    "found by a link": "--find-links {lib}",
    "found by a link, short": "-f {lib}",
    "found by a link, url": "-f file://{lib}",
    "repository": "lib @ git+file://{lib}@main",
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("where", ["requirements", "constraints", "included"])
def test_every_form_of_a_local_requirement_is_looked_into(
    site: Path, tmp_path_factory: pytest.TempPathFactory, name: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lib = tmp_path_factory.mktemp("lib") if name != "editable, by its name" else site / "named"
    lib.mkdir(exist_ok=True)
    monkeypatch.setenv("FREEZER_TEST_LIB", str(lib))
    (lib / "lib.py").write_text("")
    line = FORMS[name].format(lib=lib).replace("file://" + str(lib), lib.as_uri())
    file = {"requirements": "r.txt", "constraints": "c.txt", "included": "more.txt"}[where]
    (site / file).write_text(line + "\n" + (site / file).read_text())
    made = plan(site)
    state, content = requirements_state(made), requirements_content(made)
    (lib / "lib.py").write_text("changed")
    assert requirements_state(made) != state and requirements_content(made) != content
    assert lib in local_paths(made)


def test_a_commit_of_a_repository_counts(site: Path) -> None:
    (site / "local" / ".git" / "refs" / "heads").mkdir(parents=True)
    (site / "local" / ".git" / "refs" / "heads" / "main").write_text("1" * 40)
    state = requirements_state(plan(site))
    (site / "local" / ".git" / "refs" / "heads" / "main").write_text("2" * 41)
    assert requirements_state(plan(site)) != state


def test_where_requirements_are_decides_no_environment(site: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two clones share one, as long as nothing is named by its path."""
    other = tmp_path_factory.mktemp("other")
    for place in (site, other):
        (place / "app.py").write_text("")
        (place / "r.txt").write_text("six\n")
    assert requirements_content(plan(site)) == requirements_content(plan(other))
    assert requirements_state(plan(site)) != requirements_state(plan(other))
