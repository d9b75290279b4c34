"""Projects are built as pip builds them: with all that is around them, and nothing is left in the sources."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support import Freezer

FOLDERS = ("build", "dist", "venv", "test")
PYPROJECT = """\
[build-system]
requires = ["setuptools>=64", "setuptools_scm>=8"]
build-backend = "setuptools.build_meta"

[project]
name = "mono"
dynamic = ["version", "description"]
scripts = {mono = "mono.cli:main"}

[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools.package-data]
"*" = ["*.txt"]

[tool.setuptools_scm]
root = ".."
"""
SETUP = "from setuptools import setup\nsetup(description=open('../ABOUT').read().strip())\n"
CLI = f"""\
import importlib.metadata
from importlib import resources

def main():
    about = importlib.metadata.metadata("mono")
    print(about["Version"], about["Summary"])
    for name in {FOLDERS!r}:
        print(name, resources.files("mono." + name).joinpath("data.txt").read_text(), end=" ")
"""


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    subprocess.run(["git", *who, "-C", folder, *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def mono(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a project in a directory, which reads a file and the version above it."""
    top = tmp_path_factory.mktemp("mono")
    package = top / "app" / "src" / "mono"
    for name in FOLDERS:
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text("")
        (package / name / "data.txt").write_text(f"of-{name}")
    for place, text in (
        (top / "ABOUT", "one of several\n"),
        (top / "app" / "pyproject.toml", PYPROJECT),
        (top / "app" / "setup.py", SETUP),
        (package / "__init__.py", ""),
        (package / "cli.py", CLI),
    ):
        place.write_text(text)
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "x")
    git(top, "tag", "v1.2.3")
    return top


def files(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if ".git" not in path.parts)


def build(freezer: Freezer, mono: Path, tmp_path: Path) -> tuple[str, str]:
    """What the executable prints, and what freezer said."""
    done = freezer("build", "../app", "-o", tmp_path / "mono", "--no-verify", "-v", cwd=mono / "app")
    return subprocess.check_output([tmp_path / "mono"], text=True), done.stderr


def test_a_project_of_a_monorepo(freezer: Freezer, mono: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("target")
    before = files(mono)
    shown, said = build(freezer, mono, target)
    assert shown.splitlines()[0] == "1.2.3 one of several"
    assert shown.splitlines()[1].split() == [word for name in FOLDERS for word in (name, f"of-{name}")]
    assert "building: there is no earlier build with these settings" in said
    assert files(mono) == before
    # Nothing changed: nothing is built.
    _, said = build(freezer, mono, target)
    assert "is up to date" in said
    # A directory called build is a package like any other.
    changed = mono / "app" / "src" / "mono" / "build" / "data.txt"
    changed.write_text("changed")
    shown, said = build(freezer, mono, target)
    assert f"building: {changed} has changed" in said
    assert "build changed" in shown


def test_sources_that_cannot_be_written(apart_freezer: Freezer, mono: Path, tmp_path: Path) -> None:
    """A copy of the repository is built then. Root may write everywhere but to a file system that is read-only."""
    if os.geteuid() != 0:
        os.chmod(mono / "app", 0o555)
        words = []
    else:
        script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        words = ["unshare", "--mount", "sh", "-c", script, str(mono)]
    command = apart_freezer.command("build", mono / "app", "-o", tmp_path / "mono", "--no-verify")
    try:
        done = subprocess.run(
            [*words, *command],
            env=apart_freezer.environment(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.chmod(mono / "app", 0o755)
    assert done.returncode == 0, done.stderr
    assert " one of several" in subprocess.check_output([tmp_path / "mono"], text=True)


def test_editable_requirements(freezer: Freezer, tmp_path: Path) -> None:
    lib, app = tmp_path / "lib", tmp_path / "app"
    (lib / "src" / "neighbour").mkdir(parents=True)
    app.mkdir()
    (lib / "pyproject.toml").write_text('[project]\nname = "neighbour"\nversion = "1"\n')
    (lib / "src" / "neighbour" / "__init__.py").write_text("NAME = 'first'\n")
    (app / "app.py").write_text("import neighbour\nprint(neighbour.NAME)\n")
    (app / "requirements.txt").write_text("--editable ../lib\n")

    def shown() -> str:
        freezer("build", "app.py", "-r", "requirements.txt", "--no-verify", cwd=app)
        return subprocess.check_output([app / "dist" / "app"], text=True)

    assert shown() == "first\n"
    (lib / "src" / "neighbour" / "__init__.py").write_text("NAME = 'second'\n")
    assert shown() == "second\n"
