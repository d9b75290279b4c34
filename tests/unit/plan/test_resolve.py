"""All input becomes one absolute, validated plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from furnishing import furnish
from plans import plan

from freezer.base.errors import InputError, UsageError
from freezer.plan.build import Smoke
from freezer.plan.choices import DEFAULT_EPOCH, EntryKind, Linker, Packing, Verification
from freezer.plan.resolve import resolve


def test_defaults(here: Path) -> None:
    made = plan(here, entry="app.py")
    assert (made.entry.kind, made.entry.path, made.name) == (EntryKind.SCRIPT, here / "app.py", "app")
    assert (made.output, made.folder) == (None, here)
    assert not (made.requirements or made.packages or made.add_data or made.hidden_imports or made.charsets)
    assert made.verify is Verification.AUTO and not made.strip and made.init and not made.refresh
    assert (made.linker, made.compress, made.unpacked) == (Linker.STATICX, Packing.NONE, False)
    assert made.smokes == (Smoke(None, None, 10),)
    assert made.jobs >= 1
    assert made.epoch == DEFAULT_EPOCH


@pytest.mark.parametrize(
    ("given", "compress"),
    [
        ({"linker": "native"}, Packing.FAST),
        ({"linker": "native", "compress": "none"}, Packing.NONE),
        ({"linker": "native", "compress": "small"}, Packing.SMALL),
        ({"compress": "small"}, Packing.SMALL),
    ],
)
def test_linkers_and_how_they_pack(here: Path, given: dict[str, str], compress: Packing) -> None:
    made = plan(here, entry="app.py", **given)
    assert (made.linker.value, made.compress) == (given.get("linker", "staticx"), compress)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"linker": "gold"}, "--linker 'gold' is unknown"),
        ({"compress": "xz"}, "--compress 'xz' is unknown"),
        ({"compress": "fast"}, "staticx does not support"),
    ],
)
def test_linkers_that_are_unknown(here: Path, given: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(here, entry="app.py", **given)


def test_paths_are_relative_to_where_they_were_written(here: Path) -> None:
    project = here / "project"
    project.mkdir()
    for folder in (here, project):
        for name in ("r.txt", "c.txt", "lib.so", "data"):
            (folder / name).write_text("")
    (project / "app.py").write_text("")
    (project / "pyproject.toml").write_text(
        "[tool.freezer]\nrequirement = ['r.txt']\nlibrary = ['lib.so']\nadd-data = ['data:x']\noutput = 'out'\n"
    )
    of_file = plan(here, entry="project/app.py")
    assert of_file.requirements == (project / "r.txt",)
    assert of_file.libraries == (project / "lib.so",)
    assert of_file.add_data == ((project / "data", "x"),)
    assert of_file.output == project / "out"
    given = plan(here, entry="project/app.py", requirement=["c.txt"], add_data=["data:y"], output="mine")
    assert given.requirements == (here / "c.txt",)  # replaced, not merged
    assert given.add_data == ((here / "data", "y"),)
    assert given.output == here / "mine"
    assert given.libraries == (project / "lib.so",)


def test_the_command_line_wins(here: Path) -> None:
    (here / "pyproject.toml").write_text(
        "[tool.freezer]\nstrip = true\ninit = false\nverify = false\nname = 'filed'\nsmoke = 'x'\n"
        "hidden-import = ['a', 'b']\n"
        "pyinstaller-args = ['--log-level=WARN']\n"
    )
    of_file = plan(here, entry="app.py")
    assert (of_file.strip, of_file.init, of_file.verify, of_file.name) == (True, False, Verification.NO, "filed")
    assert (of_file.hidden_imports, of_file.pyinstaller_args) == (("a", "b"), ("--log-level", "WARN"))
    assert of_file.smokes == (Smoke(("x",), 0, 10),)
    given = plan(
        here,
        entry="app.py",
        strip=False,
        init=True,
        verify=True,
        hidden_import=["c"],
        rest=["--debug", "all"],
        name="mine",
    )
    assert (given.strip, given.init, given.verify, given.name) == (False, True, Verification.REQUIRE, "mine")
    assert (given.hidden_imports, given.pyinstaller_args) == (("c",), ("--debug", "all"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, UsageError),
        ({"entry": "no.py"}, InputError),
        ({"entry": "app.py", "entry_point": "a:b"}, UsageError),
        ({"entry": "app.py", "console_script": "a"}, UsageError),
        ({"entry_point": "a:b", "console_script": "a"}, UsageError),
        ({"entry_point": "1a:b"}, InputError),
        ({"entry": "app.py", "requirement": ["no"]}, InputError),
        ({"entry": "app.py", "add_data": ["no:x"]}, InputError),
        ({"entry": "app.py", "add_data": [":x"]}, InputError),
        ({"entry": "app.py", "exclude": ["a b"]}, InputError),
        ({"entry": "app.py", "name": "../x"}, InputError),
        ({"entry": "app.py", "name": "x" * 300}, InputError),
        ({"entry": "app.py", "rest": ["-D"]}, UsageError),
        ({"entry": "app.py", "rest": ["--name=x"]}, UsageError),
    ],
)
def test_refused(here: Path, arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        plan(here, **arguments)


def test_a_source_with_a_colon(here: Path) -> None:
    (here / "a:b").write_text("")
    assert plan(here, entry="app.py", add_data=["a:b"]).add_data == ((here / "a:b", "."),)
    assert plan(here, entry="app.py", add_data=["a:b:c"]).add_data == ((here / "a:b", "c"),)


@pytest.mark.parametrize(("value", "epoch"), [("", DEFAULT_EPOCH), ("0", DEFAULT_EPOCH), ("1700000000", 1700000000)])
def test_epoch(here: Path, value: str, epoch: int) -> None:
    assert resolve({"entry": "app.py"}, folder=here, environ={"SOURCE_DATE_EPOCH": value}).epoch == epoch


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"chroot_package": ["x"]}, UsageError),
        ({"chroot": "/no/such/root"}, InputError),
        ({"chroot": "debian:trixie", "chroot_package": ["-o=x"]}, InputError),
        ({"chroot": "debian:trixie", "chroot_package": ["a b"]}, InputError),
    ],
)
def test_refused_plans(tmp_path: Path, given: dict[str, Any], error: type[Exception]) -> None:
    furnish(tmp_path, "app.py")
    with pytest.raises(error):
        resolve({"entry": "app.py", **given}, folder=tmp_path, environ={})


def test_charsets(here: Path) -> None:
    assert plan(here, entry="app.py", charset=["ISO-8859-1", "all"]).charsets == ("ISO-8859-1", "all")
    for name in ("", "a b", "../x", "-x", "x/"):
        with pytest.raises(InputError, match="is not the name of a charset"):
            plan(here, entry="app.py", charset=[name])
