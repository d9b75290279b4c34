"""What to try names what is in the sources, as an option that brings it; else what is known of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Optional

import pytest
from furnishing import furnish

from freezer.base.errors import VerificationError
from freezer.cli.main import build_parser
from freezer.plan.build import Entry, Smoke
from freezer.plan.choices import EntryKind
from freezer.prove.advice import Sources, find_advice, sources_of
from freezer.prove.judge import judge_run

HEADER = 'Traceback (most recent call last):\n  File "app.py", line 1, in <module>\n'
BUNDLES = (
    "/tmp/staticx-abcdef/_internal",
    "/tmp/_MEI123",
    f"/home/u/.cache/freezer/apps/{'a' * 64}/tree/_internal",
    f"/var/tmp/freezer-65534/{'0' * 64}/tree",
)
FILES = (
    *("app.py", "backend_sql.py", "plugins/csv.py", "pkg/__init__.py", "pkg/deep/__init__.py", "namespace/one.py"),
    *("settings.json", "templates/index.html", "templates/base.html", "static/css/x.css", "yaml/data.txt"),
    *("libown.so.1", "lib/libmore.so", "odd name/it's.txt"),
)
NOWHERE = Sources()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    furnish(tmp_path, *FILES)
    return tmp_path


def missing_module(name: str) -> str:
    return f"{HEADER}ModuleNotFoundError: No module named '{name}'\n"


def missing_file(name: str, bundle: str = BUNDLES[0]) -> str:
    return f"{HEADER}FileNotFoundError: [Errno 2] No such file or directory: {f'{bundle}/{name}'!r}\n"


def missing_library(name: str) -> str:
    return f"{HEADER}OSError: {name}: cannot open shared object file: No such file or directory\n"


SOURCES = [
    (missing_module("backend_sql"), ["--hidden-import backend_sql  it is backend_sql.py"]),
    (missing_module("plugins.csv"), ["--hidden-import plugins.csv  it is plugins/csv.py", "--collect-all plugins  if"]),
    (
        missing_module("pkg.deep"),
        ["--hidden-import pkg.deep  it is pkg/deep/__init__.py", "--collect-all pkg.deep  if"],
    ),
    (missing_module("namespace"), ["--hidden-import namespace  it is namespace", "--collect-all namespace  if"]),
    ("app: error: No module named 'backend_sql'\n", ["--hidden-import backend_sql  it is backend_sql.py"]),
    (missing_file("settings.json"), ["--add-data settings.json:."]),
    (
        missing_file("templates/index.html"),
        ["--add-data templates/index.html:templates", "--add-data templates:templates  for all"],
    ),
    (
        missing_file("static/css/x.css"),
        ["--add-data static/css/x.css:static/css", "--add-data static/css:static/css  for"],
    ),
    (missing_file("templates"), ["--add-data templates:templates"]),
    (f"cannot read '{BUNDLES[0]}/settings.json'\n", ["--add-data settings.json:."]),
    (
        missing_file("odd name/it's.txt"),
        ["""--add-data 'odd name/it'"'"'s.txt':'odd name'""", "--add-data 'odd name':'odd name'"],
    ),
    (missing_library("libown.so.1"), ["--add-binary libown.so.1:."]),
    (missing_library("libmore.so"), ["--add-binary lib/libmore.so:lib"]),
]


@pytest.mark.parametrize(("said", "starts"), SOURCES)
def test_what_is_in_the_sources_is_named(site: Path, said: str, starts: list[str]) -> None:
    lines = (find_advice(said, Sources((site,), site)) or "").splitlines()
    assert len(lines) == len(starts)
    for line, start in zip(lines, starts):
        assert line.startswith(start), line


@pytest.mark.parametrize(("said", "starts"), SOURCES)
def test_the_advice_can_be_followed(site: Path, said: str, starts: list[str]) -> None:
    """From any directory: an option as the parser takes it, with a source that exists."""
    for here in (site, site / "templates", Path("/")):
        for line in (find_advice(said, Sources((site,), here)) or "").splitlines():
            option, value = shlex.split(line.partition("  ")[0])
            build_parser().parse_args(["build", option, value])
            if option.startswith("--add"):
                assert (here / value.rpartition(":")[0]).exists()


@pytest.mark.parametrize("bundle", BUNDLES)
def test_every_place_that_bundles_are_unpacked_to(site: Path, bundle: str) -> None:
    assert find_advice(missing_file("settings.json", bundle), Sources((site,), site)) == "--add-data settings.json:."


@pytest.mark.parametrize(
    ("said", "start"),
    [
        (missing_module("yaml"), "--hidden-import yaml  if it is imported by name"),
        (missing_module("yaml.cyaml"), "--hidden-import yaml.cyaml  if it is imported by name"),
        (missing_file("data/x"), "--add-data SOURCE:data"),
        (missing_file("x"), "--add-data SOURCE:."),
        (missing_file("../../etc/passwd"), "--add-data SOURCE:"),
        (missing_file("/etc/passwd"), "--add-data SOURCE:"),
        (missing_file(""), "--add-data SOURCE:"),
        (missing_library("libnowhere.so.1"), None),
        (
            HEADER + "importlib.metadata.PackageNotFoundError: No package metadata was found for x.y\n",
            "--copy-metadata x.y",
        ),
        (HEADER + "pkg_resources.DistributionNotFound: The 'six' distribution was not found\n", "--copy-metadata six"),
        (HEADER + "importlib.metadata.PackageNotFoundError\n", "--copy-metadata NAME"),
        (HEADER + "KeyError: 'getpwuid(): uid not found: 65534'\n", "an empty root has no /etc/passwd"),
        ("usage: app FILE\n", None),
        ("", None),
    ],
)
def test_what_is_not_there(site: Path, said: str, start: Optional[str]) -> None:
    for sources in (NOWHERE, Sources((site,), site)):
        advice = find_advice(said, sources)
        assert advice is None if start is None else (advice or "").startswith(start), advice


@pytest.mark.parametrize(
    ("entry", "folders"),
    [
        (Entry(EntryKind.SCRIPT, Path("/a/app.py")), ["/a"]),
        (Entry(EntryKind.SPEC, Path("/a/app.spec")), ["/a"]),
        (Entry(EntryKind.PROJECT, Path("/a")), ["/a", "/a/src"]),
        (Entry(EntryKind.MODULE, Path("/a"), "m:f"), ["/a", "/a/src"]),
        (Entry(EntryKind.INSTALLED, None, console_script="x"), ["/here"]),
    ],
)
def test_sources_of_entries(entry: Entry, folders: list[str]) -> None:
    assert sources_of(entry, Path("/here")) == Sources(tuple(map(Path, folders)), Path("/here"))


@pytest.mark.parametrize("smoke", [Smoke(None, None, 5), Smoke(("x",), 0, 5)])
def test_a_failed_proof_says_so(site: Path, smoke: Smoke) -> None:
    run: dict[str, object] = {"status": 1, "signal": None, "timed_out": False, "stdout": "", "mapped": []}
    with pytest.raises(VerificationError) as caught:
        judge_run({**run, "stderr": missing_file("settings.json")}, smoke, "app", sources=Sources((site,), site))
    assert caught.value.hint == "--add-data settings.json:."
