"""The files of a wheel, known by what is in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from bundles import INFO, Project

from freezer.base.job import Job
from freezer.link.unpacked_project import content_of, is_unpacked, renamed, unpacked_state


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def state(project: Project, job: Job) -> dict[str, list[str]]:
    """What is in the wheel of a new build, by names in it."""
    own = project.unpack(job)
    found = unpacked_state(project.plan, project.application(), [str(project.here / "data.json")])
    assert all(is_unpacked(path, own) for path in found)
    return {str(Path(path).relative_to(project.here)): item for path, item in found.items()}


def test_each_build_finds_the_same(project: Project, job: Job) -> None:
    first = state(project, job)
    assert first == state(project, job)
    assert {"app.py", "pkg/part.py", f"{INFO}/RECORD", f"{INFO}/METADATA"} <= set(first)
    assert "data.json" not in first


def test_each_change_is_found(project: Project, job: Job) -> None:
    before = state(project, job)
    project.write("app.py", "other")
    (project.project / "pkg/part.py").chmod(0o755)
    (project.project / "link").symlink_to("pkg")
    after = state(project, job)
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == {
        "app.py",
        "pkg/part.py",
        "link",
    }
    assert after["link"] == ["link", "pkg"]


def test_files_that_are_listed(project: Project, job: Job) -> None:
    """A list of other files is another one; other digests of the same files are not."""
    before = state(project, job)
    project.write("app.py", "other")
    assert state(project, job)[f"{INFO}/RECORD"] == before[f"{INFO}/RECORD"]
    project.write("new.py", "")
    assert state(project, job)[f"{INFO}/RECORD"] != before[f"{INFO}/RECORD"]


def test_only_what_is_unpacked_has_a_content(tmp_path: Path, job: Job) -> None:
    (job.work / "file").write_text("")
    assert content_of(str(job.work / "file"), job) is not None
    assert content_of(f"{job.work}-beside/file", job) is None


def test_texts_and_names_are_renamed() -> None:
    assert renamed({"a": ["a", 1, None, {"b": "a"}]}, str.upper) == {"A": ["A", 1, None, {"B": "A"}]}
