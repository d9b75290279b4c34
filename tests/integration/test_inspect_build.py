"""What an inspection of a real build says: nothing is missing, and all of it is named."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Freezer

from freezer.base.job import Job
from freezer.base.log import Log
from freezer.inspect.look import inspect
from freezer.inspect.report import Report
from freezer.inspect.table import render_table
from freezer.inspect.treemap import render_html
from freezer.link.parts import APPLICATION, DATA, LIBRARY, PACKAGE, RUNTIME, STANDARD
from freezer.prove.unpack import find_archive, unpack_bundle
from freezer.store.workspace import workspace


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with workspace(tmp_path / "cache", "inspect", keep=False, log=Log(stream=io.StringIO())) as made:
        yield made


def look_into(path: Path, job: Job) -> Report:
    return inspect(path, job)


def assert_exact(path: Path, report: Report, folder: Path) -> None:
    """The items add up to the files the executable unpacks, and what of it is not packed."""
    place = find_archive(path)
    assert place is not None and unpack_bundle(path, folder)
    files = [os.path.join(where, name) for where, _, names in os.walk(folder) for name in names]
    unpacked = sum(os.path.getsize(file) for file in files if not os.path.islink(file))
    assert report.size == path.stat().st_size
    assert report.unpacked == unpacked + report.size - place[1]


def test_hello(hello: Path, tmp_path: Path, job: Job) -> None:
    report = look_into(hello, job)
    assert_exact(hello, report, tmp_path / "unpacked")
    groups = {(group.kind, group.group) for group in report.groups()}
    for kind, group in (
        (LIBRARY, "libc"),
        (STANDARD, "pure modules"),
        (RUNTIME, "staticx"),
        (RUNTIME, "PyInstaller"),
        (RUNTIME, "freezer"),
        (RUNTIME, "dynamic loader"),
    ):
        assert (kind, group) in groups
    # An interpreter that has it built in, or its shared library.
    assert (RUNTIME, "Python") in groups or any(group.startswith("libpython") for _, group in groups)
    assert not [group for kind, group in groups if kind == PACKAGE]
    application = [item.path for item in report.items if item.kind == APPLICATION]
    assert application == ["_internal/hello.py", "modules/_freezer_main_script", "modules/scripts/hello.py"]
    assert render_table(report, 100)
    assert render_html(report) == render_html(look_into(hello, job))


def test_packages_are_named(freezer: Freezer, tmp_path: Path, job: Job) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "page.html").write_text("<p>")
    (tmp_path / "tool.py").write_text("import click, ssl\nprint('tool')\n")
    data = f"{tmp_path / 'templates'}:templates"
    options = ("--with", "click", "--add-data", data, "--ca-certs", "--compress", "small")
    path = freezer("build", "tool.py", *options, cwd=tmp_path).output
    report = look_into(path, job)
    assert_exact(path, report, tmp_path / "unpacked")
    kinds = {item.path: (item.group, item.kind) for item in report.items}
    assert {group.group for group in report.groups() if group.kind == PACKAGE} == {"click"}
    assert kinds["modules/click.core"] == ("click", PACKAGE)
    assert kinds["_internal/templates/page.html"] == ("templates", APPLICATION)
    assert kinds["_internal/_freezer/cacert.pem"] == ("CA certificates", DATA)
    assert next(kind for name, kind in kinds.items() if "click-" in name and "METADATA" in name) == ("click", PACKAGE)
