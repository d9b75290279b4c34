"""A build in which nothing changed does nothing; whatever changed is noticed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from support import Freezer, Outcome, sha256


@pytest.fixture(scope="module")
def site(freezer: Freezer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An application that was built, with everything that can change."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "app.py").write_text(
        "import helper\nfrom pathlib import Path\nprint(helper.X, Path(__file__).with_name('data.txt').read_text())\n"
    )
    (folder / "helper.py").write_text("X = 1\n")
    (folder / "data.txt").write_text("one")
    (folder / "requirements.txt").write_text("-r base.txt\n")
    (folder / "base.txt").write_text("altgraph\n")
    build(freezer, folder)
    return folder


def build(freezer: Freezer, folder: Path, *arguments: str) -> Outcome:
    return freezer(
        "build", "app.py", "-r", "requirements.txt", "--add-data", "data.txt", "--no-verify", *arguments, cwd=folder
    )


def built(outcome: Outcome) -> bool:
    """Whether it really built; then how the environment was come by is said too."""
    if "is up to date" in outcome.stderr:
        assert "freeze" not in outcome.stderr
        return False
    # What only a source's code has changed for is taken from the build before.
    assert re.search(r"^ +(freeze|recall) ", outcome.stderr, re.MULTILINE)
    return True


def environment(outcome: Outcome) -> str:
    found = re.search(r"^ +environment +[\d.]+ s +(\w+)", outcome.stderr, re.MULTILINE)
    assert found
    return found.group(1)


def shown(outcome: Outcome) -> str:
    return subprocess.check_output([outcome.output], text=True)


def test_nothing_changed(freezer: Freezer, site: Path) -> None:
    before = sha256(site / "dist" / "app")
    logs = set((freezer.cache / "log").iterdir())
    again = build(freezer, site)
    assert not built(again)
    assert again.stdout == f"{site}/dist/app\n"
    assert set((freezer.cache / "log").iterdir()) == logs  # no tool ran
    assert sha256(site / "dist" / "app") == before
    assert json.loads(build(freezer, site, "--json").stdout)["unchanged"] is True


def test_a_changed_source_needs_no_new_environment(freezer: Freezer, site: Path) -> None:
    (site / "helper.py").write_text("X = 2222\n")
    again = build(freezer, site)
    assert built(again) and environment(again) == "reused"
    assert shown(again) == "2222 one\n"
    assert not built(build(freezer, site))


def test_a_touched_data_file(freezer: Freezer, site: Path) -> None:
    (site / "data.txt").write_text("two")
    again = build(freezer, site)
    assert built(again) and shown(again).endswith(" two\n")


def test_a_deleted_or_damaged_output(freezer: Freezer, site: Path) -> None:
    output = site / "dist" / "app"
    digest = sha256(output)
    output.unlink()
    assert built(build(freezer, site))
    assert sha256(output) == digest
    content = bytearray(output.read_bytes())
    content[-1] ^= 1
    output.write_bytes(content)
    assert built(build(freezer, site))
    assert sha256(output) == digest


def test_a_new_module_that_shadows_another(freezer: Freezer, site: Path) -> None:
    (site / "colorsys.py").write_text("")
    assert built(build(freezer, site))
    (site / "colorsys.py").unlink()


def test_a_changed_requirement_makes_another_environment(freezer: Freezer, site: Path) -> None:
    build(freezer, site)
    (site / "base.txt").write_text("altgraph>=0.17\n# changed\n")
    again = build(freezer, site)
    assert built(again) and environment(again) in ("made", "reused")
    os.utime(site / "base.txt")
    assert not built(build(freezer, site))


def test_the_proof_is_part_of_it(freezer: Freezer, site: Path) -> None:
    """What was not verified is verified when that is asked for."""
    build(freezer, site)
    done = freezer("build", "app.py", "-r", "requirements.txt", "--add-data", "data.txt", cwd=site)
    assert built(done) and "ran in an empty root" in done.stderr
    assert environment(done) == "reused"


def test_a_local_package(freezer: Freezer, tmp_path: Path) -> None:
    """A package given by its path is looked into, not just named."""
    package = tmp_path / "local package"
    package.mkdir()
    (package / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='localthing', py_modules=['localthing'])\n"
    )
    (package / "localthing.py").write_text("X = 'first'\n")
    (tmp_path / "app.py").write_text("import localthing\nprint(localthing.X)\n")
    arguments = ("build", "app.py", "--with", "./local package", "--no-verify")
    assert shown(freezer(*arguments, cwd=tmp_path)) == "first\n"
    (package / "localthing.py").write_text("X = 'second'\n")
    again = freezer(*arguments, cwd=tmp_path)
    assert shown(again) == "second\n"
    assert environment(again) == "made"


KINDS = {
    "script": ("build", "app.py"),
    "module": ("build", "-e", "pkg.cli:main"),
    "spec": ("build", "app.spec"),
    "requirement alone": ("build", "--with", "tabulate", "-c", "tabulate"),
    "project": ("build", "."),
}
CHANGED = {"script": "pkg/cli.py", "module": "pkg/cli.py", "spec": "pkg/cli.py", "project": "pkg/cli.py"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_entry(freezer: Freezer, tmp_path: Path, kind: str) -> None:
    """Nothing is built if nothing changed; what changed is built, and is said."""
    (tmp_path / "pkg").mkdir()
    for name, text in (
        ("app.py", "from pkg.cli import main\nmain()\n"),
        ("pkg/__init__.py", ""),
        ("pkg/cli.py", "def main():\n    print('one')\n"),
        ("app.spec", "a = Analysis(['app.py'])\nexe = EXE(PYZ(a.pure), a.scripts, a.binaries, a.datas, name='app')\n"),
    ):
        (tmp_path / name).write_text(text)
    if kind == "project":
        text = '[project]\nname = "one"\nversion = "1"\nscripts = {one = "pkg.cli:main"}\n'
        (tmp_path / "pyproject.toml").write_text(text + '[tool.setuptools]\npackages = ["pkg"]\n')
    arguments = (*KINDS[kind], "--no-verify", "--linker", "native", "-v")
    first = freezer(*arguments, cwd=tmp_path)
    assert built(first) and "building: there is no earlier build with these settings" in first.stderr
    assert not built(freezer(*arguments, cwd=tmp_path))
    if kind in CHANGED:
        (tmp_path / CHANGED[kind]).write_text("def main():\n    print('two')\n")
        again = freezer(*arguments, cwd=tmp_path)
        assert built(again) and f"building: {tmp_path / CHANGED[kind]} has changed" in again.stderr
        assert shown(again) == "two\n"
        assert not built(freezer(*arguments, cwd=tmp_path))
