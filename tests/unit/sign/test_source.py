"""The application's own files as a source: their commit, whether they are as in it, and their digest."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import Runner
from signing import check_resource
from support import need_program

from freezer.base.job import Job
from freezer.sign.source import digest_lines, is_changed, source_resource


@pytest.fixture
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return Runner(tmp_path_factory.mktemp("job")).job


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with an application, and a file that git ignores."""
    for name, text in (("app.py", "a"), ("pkg/x.py", "x"), ("docs/y", "y"), (".gitignore", "made.py\n")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        git(tmp_path, *words)
    return tmp_path


def git(folder: Path, *words: str) -> str:
    settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-C", str(folder)]
    return subprocess.run(
        [need_program("git"), *settings, *words], capture_output=True, check=True, text=True
    ).stdout.strip()


def own(folder: Path) -> list[Path]:
    return [folder / "app.py", folder / "pkg/x.py"]


def test_a_clean_commit(folder: Path, job: Job) -> None:
    found = source_resource(folder, own(folder), job)
    check_resource(found)
    assert found["digest"]["gitCommit"] == git(folder, "rev-parse", "HEAD")
    assert found["annotations"]["changed"] is False and found["annotations"]["files"] == 2
    words = f"cd {folder} && sha256sum app.py pkg/x.py | LC_ALL=C sort | sha256sum"
    printed = subprocess.run(["sh", "-c", words], capture_output=True, check=True, text=True).stdout
    assert found["digest"]["sha256"] == printed.split()[0]


def new(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).write_text("new")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (new("app.py"), True),
        (new("docs/y"), True),
        (lambda folder: (folder / "docs/y").unlink(), True),
        (lambda folder: git(folder, "rm", "-q", "--cached", "docs/y"), True),
        (new("helper.py"), True),
        (new("pkg/new.py"), True),
        (new("made.py"), True),
        (new("result"), False),
        (lambda folder: (folder / "dist").mkdir() or (folder / "dist/app").write_text(""), False),
        (lambda folder: (folder / "own").mkdir() or (folder / "own/z.py").write_text(""), True),
    ],
)
def test_changes(folder: Path, job: Job, change: Callable[[Path], Any], expected: bool) -> None:
    """Any change of what git tracks; of what it does not, only the application's own."""
    change(folder)
    files = [*own(folder), *(folder / name for name in ("helper.py", "pkg/new.py", "made.py", "own/z.py"))]
    assert is_changed(folder, [path for path in files if path.exists()], job) is expected


def test_a_directory_that_git_ignores_as_a_whole(folder: Path, job: Job) -> None:
    (folder / ".gitignore").write_text("made/\n")
    git(folder, "commit", "-qam", "x")
    (folder / "made").mkdir()
    (folder / "made/x.py").write_text("")
    assert is_changed(folder, own(folder), job) is False
    assert is_changed(folder, [folder / "made/x.py"], job) is True


def test_names_of_any_kind(folder: Path, job: Job) -> None:
    odd = folder / "a\n b\u00e9.py"
    odd.write_text("")
    assert is_changed(folder, [odd], job) is True
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    assert is_changed(folder, [odd], job) is False


def test_without_git(folder: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    found = source_resource(folder, own(folder), job)
    assert "gitCommit" in found["digest"] and "changed" not in found["annotations"]


def test_without_a_repository(tmp_path: Path, job: Job) -> None:
    (tmp_path / "app.py").write_text("a")
    found = source_resource(tmp_path, [tmp_path / "app.py", tmp_path / "gone.py"], job)
    assert set(found["digest"]) == {"sha256"} and "changed" not in found["annotations"]
    assert found["annotations"]["files"] == 1


def test_a_damaged_repository(tmp_path: Path, job: Job) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere")
    assert is_changed(tmp_path, [], job) is None


def test_nothing_of_the_repository_is_run_or_written(folder: Path, job: Job, tmp_path: Path) -> None:
    git(folder, "config", "core.fsmonitor", f"touch {tmp_path}/ran; true")
    os.utime(folder / "app.py", (1, 1))
    before = (folder / ".git/index").read_bytes()
    assert is_changed(folder, own(folder), job) is False
    assert not (tmp_path / "ran").exists() and (folder / ".git/index").read_bytes() == before


def test_another_repository_by_the_environment(folder: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert is_changed(folder, own(folder), job) is False


def test_lines_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("")
    (tmp_path / "a").write_text("x")
    lines = digest_lines(tmp_path, [tmp_path / "b", tmp_path / "a", tmp_path / "a"])
    assert [line[66:] for line in sorted(lines, key=lambda line: line[66:])] == [b"a\n", b"b\n"]
    assert lines == sorted(lines)
