"""Bundles that are kept: what is recalled is what a whole build would make, or nothing is."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bundles import INFO, MAIN, TEXTS, Project, Site, contents, facts_in, said
from support import let_the_clock_go_on

from freezer.base.job import Job
from freezer.link import kept_bundles
from freezer.link.kept_bundles import DAYS, FOLDER, MOST, Bundle
from freezer.link.other_size import Other
from freezer.plan.choices import Linker


@pytest.fixture
def small(tmp_path: Path) -> Site:
    return Site(tmp_path / "small")


def home_in(job: Job) -> Path:
    (home,) = (job.cache / FOLDER).iterdir()
    return home


def test_nothing_has_changed(small: Site, job: Job) -> None:
    made = small.keep(job)
    found = small.recall(job)
    assert found is not None
    assert contents(found) == contents(made)
    assert (found.changed, found.loaded) == ((), 5)
    assert job.log.warnings == ["a warning"]
    assert "4 modules as in the build before, nothing has changed in it" in said(job)


def test_what_has_changed_is_as_a_whole_build_makes_it(small: Site, job: Job) -> None:
    small.keep(job)
    small.write("app.py", TEXTS["app.py"].replace("hello world", "good bye"))
    small.write("pkg/part.py", TEXTS["pkg/part.py"].replace("[x,", "[x + 1, 17,"))
    small.write("data.json", '{"a": 1}')
    found = small.recall(job)
    assert found is not None
    assert contents(found) == contents(small.bundle(job))
    assert sorted(Path(path).name for path in found.changed or ()) == ["app.py", "data.json", "part.py"]
    assert b"good bye" in found.package.read(MAIN)
    # And again, from what is kept still.
    small.write("app.py", TEXTS["app.py"])
    found = small.recall(job)
    assert found is not None
    assert contents(found) == contents(small.bundle(job))


def test_a_change_that_its_time_does_not_tell(small: Site, job: Job) -> None:
    """Archives are made with one time for all their files; the size is the same here, too."""
    os.utime(small.here / "app.py", (1, 1))
    small.keep(job)
    let_the_clock_go_on()
    small.write("app.py", TEXTS["app.py"].replace("hello world", "hello there"))
    os.utime(small.here / "app.py", (1, 1))
    found = small.recall(job)
    assert found is not None
    assert b"hello there" in found.package.read(MAIN)
    assert contents(found) == contents(small.bundle(job))


CHANGES: dict[str, tuple[Callable[[Site], object], str]] = {
    "an import": (lambda it: it.write("app.py", "import csv\n" + TEXTS["app.py"]), "imports or names something else"),
    "a name": (lambda it: it.write("pkg/part.py", TEXTS["pkg/part.py"] + "X = 1\n"), "names something else"),
    "no Python": (lambda it: it.write("pkg/part.py", "def"), "names something else"),
    "a group": (lambda it: it.write("app.py", TEXTS["app.py"].replace("hello world", "plugins")), "something else"),
    "a library": (lambda it: it.write("data.json", "\x7fELF is what libraries begin with"), "something else"),
    "its mode": (lambda it: (it.here / "data.json").chmod(0o755), "has become something else"),
    "a file of the system": (lambda it: (it.folder / "library.so").write_text("newer"), "differ"),
    "a module beside it": (lambda it: it.write("json.py", ""), ""),
    "a module of its package": (lambda it: it.write("pkg/new.py", ""), ""),
    "a file of its package": (lambda it: it.write("pkg/new.txt", ""), "differ"),
    "no source any more": (lambda it: (it.here / "pkg/part.py").unlink(), ""),
    "an option": (lambda it: it.options.update(exclude=["csv"]), ""),
    "added data": (lambda it: it.options.update(add_data=["data.json:x"]), ""),
    "another linker": (lambda it: it.options.update(linker="staticx"), ""),
    "arguments of PyInstaller": (lambda it: it.options.update(rest=["--log-level=WARN"]), ""),
    "no use of what is kept": (lambda it: it.options.update(refresh=True), ""),
    "another environment": (lambda it: setattr(it, "key", "other"), ""),
    "an incomplete environment": (lambda it: (it.folder / "env/complete").unlink(), "differ"),
}


@pytest.mark.parametrize(("act", "reason"), CHANGES.values(), ids=list(CHANGES))
def test_what_needs_a_whole_build(small: Site, job: Job, act: Callable[[Site], object], reason: str) -> None:
    small.keep(job)
    act(small)
    assert small.recall(job) is None
    assert reason in said(job)


@pytest.mark.parametrize("options", [{"compress": "small"}, {"smoke": "--help"}, {"output": "x"}, {"verify": False}])
def test_what_decides_nothing_of_a_bundle(small: Site, job: Job, options: dict[str, object]) -> None:
    small.keep(job)
    small.options.update(options)
    found = small.recall(job)
    assert found is not None
    assert found.other == Other(Linker.STATICX, 1234)


def test_a_project_is_known_by_what_is_in_its_wheel(tmp_path: Path, job: Job) -> None:
    """It is unpacked elsewhere in each build, and all its files are new."""
    project = Project(tmp_path / "project")
    made = project.keep(project.unpack(job))
    found = project.recall(project.unpack(job))
    assert found is not None and found.changed == ()
    assert contents(found)["files"] == contents(made)["files"]
    project.write("pkg/part.py", TEXTS["pkg/part.py"].replace("[x,", "[x + 1, 17,"))
    project.write("data.json", '{"a": 1}')
    own = project.unpack(job)
    found = project.recall(own)
    assert found is not None
    assert sorted(Path(path).name for path in found.changed or ()) == ["data.json", "part.py"]
    whole = contents(project.bundle(own))
    assert (contents(found)["files"], contents(found)["code"]) == (whole["files"], whole["code"])


WHEELS: dict[str, tuple[Callable[[Project], object], str]] = {
    "an import": (lambda it: it.write("app.py", "import csv\n" + TEXTS["app.py"]), "imports or names something else"),
    "a new module": (lambda it: it.write("pkg/new.py", ""), ""),
    "a new file": (lambda it: it.write("new.txt", ""), "the files of the project differ"),
    "no file any more": (lambda it: (it.project / "data.json").unlink(), ""),
    "its mode": (lambda it: (it.project / "data.json").chmod(0o755), "has become something else"),
    "another start": (lambda it: setattr(it, "function", "app:other"), ""),
}


@pytest.mark.parametrize(("act", "reason"), WHEELS.values(), ids=list(WHEELS))
def test_a_wheel_that_needs_a_whole_build(
    tmp_path: Path, job: Job, act: Callable[[Project], object], reason: str
) -> None:
    project = Project(tmp_path / "project")
    project.keep(project.unpack(job))
    act(project)
    assert project.recall(project.unpack(job)) is None
    assert reason in said(job)


def test_what_describes_a_project_decides(tmp_path: Path, job: Job) -> None:
    """But for how it was installed."""
    project = Project(tmp_path / "project")
    project.keep(project.unpack(job))
    own = project.unpack(job)
    (project.here / INFO / "INSTALLER").write_text("")
    assert project.recall(own) is None
    own = project.unpack(job)
    (project.here / INFO / "METADATA").write_text("Name: other")
    assert project.recall(own) is None
    (project.here / INFO / "METADATA").write_text("Name: app")
    assert project.recall(own) is not None


def test_sources_whose_code_was_run(small: Site, job: Job) -> None:
    """What an analysis has found by running them, their shapes do not tell."""
    small.by_shape = False
    small.keep(job)
    assert small.recall(job) is not None
    small.write("app.py", TEXTS["app.py"].replace("hello world", "good bye"))
    assert small.recall(job) is None


def test_a_module_whose_code_comes_about_in_another_way(small: Site, job: Job) -> None:
    """A hook may have changed it: then its source is not what is in the bundle."""
    bundle = small.bundle(job)
    place = bundle.package.modules["pkg.part"]
    data = bytearray(bundle.package.code.read_bytes())
    data[place[0] + 30] ^= 1
    bundle.package.code.write_bytes(data)
    small.keep(job, lambda _job: bundle)
    assert set(facts_in(home_in(job))["alterable"]) == {
        str(small.here / name) for name in ("app.py", "pkg/__init__.py", "data.json")
    }
    small.write("pkg/part.py", TEXTS["pkg/part.py"].replace("a text", "another"))
    assert small.recall(job) is None


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("how", ["truncated", "changed", "missing", "unreadable"])
def test_damage_is_noticed(small: Site, job: Job, how: str, used: bool) -> None:
    small.keep(job)
    for name in ("facts", "code", "tree/_internal/fast.so", "tree/_internal/app.py"):
        if used:
            # Then it is known of which files nothing has changed.
            found = small.recall(job)
            assert found is not None
            found.release()
        path = home_in(job) / name
        data = path.read_bytes()
        path.unlink()
        if how == "unreadable":
            path.mkdir()
        elif how != "missing":
            path.write_bytes(data[:-1] if how == "truncated" else bytes([data[0] ^ 1]) + data[1:])
        warned = list(job.log.warnings)
        assert small.recall(job) is None, name
        assert job.log.warnings == warned
        small.keep(job.apart())
    assert small.recall(job) is not None


@pytest.mark.parametrize("text", [b"", b"x", b"x\n{}"])
def test_damage_of_what_was_seen_means_nothing(small: Site, job: Job, text: bytes) -> None:
    made = small.keep(job)
    assert small.recall(job) is not None
    (home_in(job) / "seen").write_bytes(text)
    found = small.recall(job)
    assert found is not None
    assert contents(found) == contents(made)
    assert (home_in(job) / "seen").read_bytes() != text


def test_more_files_than_there_were_are_damage(small: Site, job: Job) -> None:
    small.keep(job)
    (home_in(job) / "tree/_internal/more").write_text("")
    assert small.recall(job) is None
    assert "what is kept is damaged" in said(job)


def test_it_may_be_copied(small: Site, job: Job) -> None:
    made = small.keep(job)
    home = home_in(job)
    shutil.copytree(home, job.work / "copy", symlinks=True)
    shutil.rmtree(home)
    shutil.copytree(job.work / "copy", home, symlinks=True)
    found = small.recall(job)
    assert found is not None
    assert contents(found) == contents(made)


def test_another_machine_loads_libraries_itself(small: Site, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    small.keep(job)
    monkeypatch.setattr(kept_bundles, "this_machine", lambda: ["Linux", "elsewhere"])
    found = small.recall(job)
    assert found is not None
    assert found.loaded is None


@pytest.mark.parametrize("name", ["app.py", "data.json"])
def test_what_changes_during_a_build_is_not_kept(small: Site, job: Job, name: str) -> None:
    def make(job: Job) -> Bundle:
        small.write(name, TEXTS[name])
        return small.bundle(job)

    small.keep(job, make)
    assert list((job.cache / FOLDER).iterdir()) == []


def test_the_oldest_go(small: Site, job: Job) -> None:
    for number in range(MOST):
        path = job.cache / FOLDER / f"{number:02}"
        path.mkdir()
        os.utime(path, (0, time.time() - 3600 - number))
    old = job.cache / FOLDER / "00"
    os.utime(old, (0, time.time() - DAYS * 24 * 3600 - 60))
    small.keep(job)
    names = {path.name for path in (job.cache / FOLDER).iterdir()}
    assert len(names) == MOST
    assert "00" not in names and f"{MOST - 1:02}" in names


def test_a_kept_bundle_is_not_kept_again(small: Site, job: Job) -> None:
    small.keep(job)
    found = small.recall(job)
    assert found is not None
    shutil.rmtree(home_in(job))
    small.keep(job, lambda _job: found)
    assert list((job.cache / FOLDER).iterdir()) == []
