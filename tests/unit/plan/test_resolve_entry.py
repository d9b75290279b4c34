"""Which entry is meant: by the command line, the settings file, or the directory."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from plans import plan

from freezer.base.errors import InputError, UsageError
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


@pytest.mark.parametrize(
    ("requirement", "script"),
    [
        ("glances", "glances"),
        ("sqlite-utils==3.37", "sqlite-utils"),
        ("httpx[cli] >= 0.2", "httpx"),
        ("zope.testrunner ; python_version > '3'", "zope.testrunner"),
    ],
)
def test_a_single_requirement_means_its_script(here: Path, requirement: str, script: str) -> None:
    made = plan(here, **{"with": [requirement]})
    assert (made.entry.kind, made.entry.console_script, made.name) == (EntryKind.INSTALLED, script, script)
    # Whoever names one gets that.
    assert plan(here, console_script="other", **{"with": [requirement]}).entry.console_script == "other"
    (here / "pyproject.toml").write_text("")
    assert plan(here, **{"with": [requirement]}).entry.console_script == script


@pytest.mark.parametrize(
    "options",
    [
        {"with": ["glances", "rich"]},
        {"with": ["./glances"]},
        {"with": ["https://example.org/glances-1.whl"]},
        {"with": ["glances @ https://example.org/glances-1.whl"]},
        {"with": ["glances"], "requirement": ["r.txt"]},
    ],
)
def test_more_than_a_name_means_no_script(here: Path, options: dict[str, list[str]]) -> None:
    (here / "r.txt").write_text("")
    with pytest.raises(UsageError, match="nothing to freeze"):
        plan(here, **options)


def test_package_directory(here: Path) -> None:
    (here / "package").mkdir()
    (here / "package" / "__main__.py").write_text("")
    made = plan(here, entry="package")
    assert (made.entry.kind, made.entry.path) == (EntryKind.SCRIPT, here / "package" / "__main__.py")
    assert made.name == "package"


@pytest.mark.parametrize("files", [("__init__.py", ""), ("__main__.py", "if x:\n    from . import y\n")])
def test_a_package_runs_as_python_m_does(here: Path, files: tuple[str, str]) -> None:
    folder = here / "lib" / "top" / "tool"
    folder.mkdir(parents=True)
    (here / "lib" / "top" / "__init__.py").write_text("")
    (folder / "__main__.py").write_text("")
    (folder / files[0]).write_text(files[1])
    made = plan(here, entry="lib/top/tool")
    assert (made.entry.kind, made.entry.path, made.entry.package) == (EntryKind.PACKAGE, here / "lib", "top.tool")
    assert made.name == "tool"


def test_a_package_that_cannot_be_imported(here: Path) -> None:
    (here / "my-tool").mkdir()
    for name in ("__init__.py", "__main__.py"):
        (here / "my-tool" / name).write_text("")
    with pytest.raises(InputError, match="my-tool cannot be a package"):
        plan(here, entry="my-tool")


def test_a_zip_application(here: Path) -> None:
    """By its content, as Python goes by that; it may begin with a line for the kernel."""
    for name in ("tool.pyz", "other"):
        with open(here / name, "wb") as file:
            file.write(b"#!/usr/bin/env python3\n")
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("__main__.py", "")
        made = plan(here, entry=name)
        assert (made.entry.kind, made.entry.path, made.name) == (EntryKind.ARCHIVE, here / name, Path(name).stem)
    with zipfile.ZipFile(here / "data.zip", "w") as archive:
        archive.writestr("data", "")
    assert plan(here, entry="data.zip").entry.kind is EntryKind.SCRIPT


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


@pytest.mark.parametrize("entry", [None, "."])
@pytest.mark.parametrize(
    ("settings", "kind", "name"),
    [
        ("entry = 'app.py'", EntryKind.SCRIPT, "app"),
        ("entry = 'package'", EntryKind.PACKAGE, "package"),
        ("entry-point = 'app:main'", EntryKind.MODULE, "app"),
        ("console-script = 'glances'\nwith = ['glances']", EntryKind.INSTALLED, "glances"),
    ],
)
def test_a_directory_with_settings_of_tools_alone(
    here: Path, entry: str | None, settings: str, kind: EntryKind, name: str
) -> None:
    """It is no project, and whoever names it means what its settings say."""
    (here / "package").mkdir()
    (here / "package" / "__main__.py").write_text("from . import x\n")
    (here / "pyproject.toml").write_text(f"[tool.ruff]\nline-length = 100\n[tool.freezer]\n{settings}\n")
    made = plan(here, **({} if entry is None else {"entry": entry}))
    assert (made.entry.kind, made.name) == (kind, name)


def test_a_directory_with_settings_of_tools_alone_and_no_entry(here: Path) -> None:
    (here / "pyproject.toml").write_text("[tool.freezer]\nname = 'app'\n")
    with pytest.raises(InputError, match="is not a Python project"):
        plan(here, entry=".")


@pytest.mark.parametrize("entry", [None, "."])
def test_a_project_starts_as_its_settings_say(here: Path, entry: str | None) -> None:
    given = {} if entry is None else {"entry": entry}
    (here / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.freezer]\nconsole-script = 'b'\n")
    made = plan(here, **given)
    assert (made.entry.kind, made.entry.console_script, made.name) == (EntryKind.PROJECT, "b", "b")
    assert plan(here, console_script="c", **given).name == "c"
    (here / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.freezer]\nentry = '.'\nentry-point = 'a.b:c'\n")
    made = plan(here, **given)
    assert (made.entry.kind, made.entry.path, made.entry.function) == (EntryKind.PROJECT, here, "a.b:c")


def test_another_directory_is_not_started_as_the_settings_here_say(here: Path) -> None:
    (here / "pyproject.toml").write_text("[tool.freezer]\nentry = 'app.py'\n")
    (here / "other").mkdir()
    (here / "other" / "__main__.py").write_text("")
    assert plan(here, entry="other").entry.path == here / "other" / "__main__.py"
