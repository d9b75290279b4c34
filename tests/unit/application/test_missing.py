"""Modules that are missing: which are refused, and what is said to whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from freezer.application.missing import refuse_missing
from freezer.base.errors import InputError
from freezer.plan.build import Plan
from freezer.plan.resolve import resolve


def refuse(imports: tuple[str, ...], missing: str, plan: Plan, file: Path = Path("/site/app.py")) -> None:
    found = tuple((name, file, line) for line, name in enumerate(imports, 1))
    refuse_missing(found, frozenset([missing]), plan)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "app.py").touch()
    return resolve({"entry": "app.py"}, folder=tmp_path, environ={})


def excluding(name: str, folder: Path) -> Plan:
    return resolve({"entry": "app.py", "exclude": [name] if name else []}, folder=folder, environ={})


def test_a_missing_import_is_refused_with_its_line(plan: Plan) -> None:
    with pytest.raises(InputError, match=r"'b\.c' is missing") as caught:
        refuse(("os", "b.c"), "b", plan)
    assert caught.value.why == "/site/app.py, line 2 imports it"
    assert (caught.value.hint or "").startswith("add the distribution")
    assert "--with b" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("imported", "absent", "excluded"),
    [("a.b", "a.b.c", ""), ("a", "b", ""), ("a.b", "a.b", "a.b"), ("a.b.c", "a.b", "a"), ("ab", "a", "")]
    + [(name, name, "") for name in ("pyi_splash", "pyimod02_importers")],
)
def test_what_is_not_refused(plan: Plan, tmp_path: Path, imported: str, absent: str, excluded: str) -> None:
    refuse((imported,), absent, excluding(excluded, tmp_path))


def test_a_missing_parent_or_child_is_refused(plan: Plan) -> None:
    for absent in ("a", "a.b"):
        with pytest.raises(InputError):
            refuse(("a.b",), absent, plan)


def test_the_advice_for_a_missing_import_works(plan: Plan, tmp_path: Path) -> None:
    """A module that will only be there at run time is not missing once it is excluded, as the hint says."""
    with pytest.raises(InputError) as caught:
        refuse(("later.part",), "later", plan)
    option, name = (caught.value.hint or "").rpartition(": ")[2].split()
    assert option == "--exclude"
    refuse(("later.part",), "later", excluding(name, tmp_path))


PROJECT = '[project]\nname = "pkg"\nversion = "1"\ndependencies = ["click"]\n'


@pytest.mark.parametrize("place", ["", "src/"])
def test_the_requirements_of_a_project_come_with_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Only its sources are taken if a script or a function of it is named; then the message says how to build it."""
    file = tmp_path / place / "pkg/cli.py"
    file.parent.mkdir(parents=True)
    file.write_text("import click\n")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    function = resolve({"entry_point": "pkg.cli:main"}, folder=tmp_path, environ={})
    script = resolve({"entry": str(file)}, folder=tmp_path, environ={})
    for plan, words in ((function, f"freezer build {tmp_path} -e pkg.cli:main; "), (script, f"build {tmp_path}; ")):
        with pytest.raises(InputError) as caught:
            refuse(("click",), "click", plan, file)
        assert words in (caught.value.hint or "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        refuse(("click",), "click", function, file)
    assert "freezer build . -e pkg.cli:main; " in (caught.value.hint or "")
    # What it says leads to another message where the project does not require it.
    project = resolve({"entry": ".", "entry_point": "pkg.cli:main"}, folder=tmp_path, environ={})
    with pytest.raises(InputError) as caught:
        refuse(("click",), "click", project, file)
    assert (caught.value.hint or "").startswith("add the distribution")
