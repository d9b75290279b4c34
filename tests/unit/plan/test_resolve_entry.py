"""Which entry is meant: by the command line, the settings file, or the directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from plans import plan

from freezer.plan.choices import EntryKind


def test_an_entry_in_the_file(here: Path) -> None:
    (here / "pyproject.toml").write_text("[tool.freezer]\nentry = 'app.py'\n")
    assert plan(here).entry.path == here / "app.py"


@pytest.mark.parametrize("name", ["pyproject.toml", "setup.py", "setup.cfg"])
def test_project(here: Path, name: str) -> None:
    (here / name).write_text("")
    for made in (plan(here), plan(here, entry="."), plan(here.parent, entry=here.name)):
        assert (made.entry.kind, made.entry.path, made.name) == (EntryKind.PROJECT, here, None)
    script = plan(here, console_script="tool")
    assert (script.entry.kind, script.entry.console_script, script.name) == (EntryKind.PROJECT, "tool", "tool")
    function = plan(here, entry=".", entry_point="a.b:c")
    assert (function.entry.kind, function.entry.function) == (EntryKind.PROJECT, "a.b:c")


def test_package_directory(here: Path) -> None:
    (here / "package").mkdir()
    (here / "package" / "__main__.py").write_text("")
    made = plan(here, entry="package")
    assert (made.entry.kind, made.entry.path) == (EntryKind.SCRIPT, here / "package" / "__main__.py")
    assert made.name == "package"


def test_spec(here: Path) -> None:
    (here / "x.spec").write_text("")
    made = plan(here, entry="x.spec")
    assert (made.entry.kind, made.name) == (EntryKind.SPEC, "x")


@pytest.mark.parametrize("source", ["", "src"])
@pytest.mark.parametrize("how", ["entry", "entry_point"])
def test_function(here: Path, source: str, how: str) -> None:
    package = here / source / "package"
    package.mkdir(parents=True)
    made = plan(here, **{how: "package.cli:main"})
    assert made.entry.kind is EntryKind.MODULE
    assert (made.entry.path, made.entry.function) == (here / source, "package.cli:main")
    assert made.name == "package"


def test_function_of_what_is_installed(here: Path) -> None:
    made = plan(here, entry_point="httpie.core:main", **{"with": ["httpie"]})
    assert (made.entry.kind, made.entry.path) == (EntryKind.INSTALLED, None)


def test_console_script_of_what_is_installed(here: Path) -> None:
    made = plan(here, console_script="http", **{"with": ["httpie"]})
    assert (made.entry.kind, made.entry.console_script, made.name) == (EntryKind.INSTALLED, "http", "http")
    (here / "pyproject.toml").write_text("")
    assert plan(here, console_script="http", **{"with": ["httpie"]}).entry.kind is EntryKind.INSTALLED
    assert plan(here, console_script="http").entry.kind is EntryKind.PROJECT


def test_symbolic_links_are_kept(here: Path) -> None:
    """A module beside the link, not beside its target, is the application's."""
    (here / "elsewhere").mkdir()
    os.symlink("../app.py", here / "elsewhere" / "link.py")
    assert plan(here, entry="elsewhere/link.py").entry.path == here / "elsewhere" / "link.py"
