"""The file of the difference: written, added to, checked."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from plans import plan

from freezer.base.errors import FreezerError, InputError, ToolError, VerificationError
from freezer.base.log import Log
from freezer.learn import learning as module
from freezer.learn.learning import Lesson, learn
from freezer.plan.learned import FILE_NAME, Learned
from freezer.plan.learned_file import read_learned


class Learner:
    """``learn`` in place of whose slow stages there is what they would have made."""

    def __init__(self, ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ground = ground
        self.path = ground.app / FILE_NAME
        self.stream = io.StringIO()
        (ground.home / "bin" / "python").symlink_to(sys.executable)
        self.plans: list[Any] = []
        self.builds: list[tuple[str, ...]] = []

        def freeze(given: Any, *_: Any) -> Any:
            modules = tuple(given.learned.modules) if given.learned is not None else ()
            self.builds.append(modules)
            if modules:
                # A package brings what it reads.
                ground.write(ground.contents / "a.txt")
            sources = [ground.app / f"{name}.py" for name in modules]
            contents = ground.contents
            return SimpleNamespace(
                tree=contents.parent, contents=contents, modules=frozenset(("known", *modules)), sources=sources
            )

        def close(_plan: Any, _environment: Any, frozen: Any, _job: Any) -> Any:
            return SimpleNamespace(frozen=frozen, libraries=("libz.so.1",))

        def prepare(given: Any, *_: Any) -> Any:
            self.plans.append(given)
            return ground.environment, ground.application()

        for name, answer in (
            ("open_root", lambda *_: None), ("probe_interpreter", lambda *_: None), ("prepare", prepare),
            ("freeze", freeze), ("close_bundle", close),
        ):  # fmt: skip
            monkeypatch.setattr(module, name, answer)

    def __call__(self, code: str, *, check: bool = False, **arguments: Any) -> Lesson:
        self.ground.entry.write_text(code)
        made = plan_of(self.ground.app, **arguments)
        return learn(
            made, ("python", "app.py"), tools=(), check=check, environ=os.environ, cache=self.ground.cache,
            log=Log(stream=self.stream),
        )  # fmt: skip

    @property
    def lines(self) -> set[tuple[str, str, str]]:
        learned = read_learned(None, self.ground.app)
        return set(learned.lines()) if learned is not None else set()


def plan_of(folder: Path, **arguments: Any) -> Any:
    from freezer.plan.resolve import resolve

    return resolve({"entry": "app.py", **arguments}, folder=folder, environ={}, learning=True)


@pytest.fixture
def learner(ground: Any, monkeypatch: pytest.MonkeyPatch) -> Learner:
    return Learner(ground, monkeypatch)


@pytest.fixture
def data(ground: Any) -> None:
    for name in ("a.txt", "b.txt"):
        os.utime(ground.write(ground.app / name), (1, 1))


def failure(lesson: Lesson) -> FreezerError:
    assert lesson.error is not None
    return lesson.error


A, B = ("files", "a.txt", "app.py:1"), ("files", "b.txt", "app.py:1")


@pytest.mark.usefixtures("data")
def test_several_runs_add_to_the_file(learner: Learner) -> None:
    assert list(learner("open('a.txt').close()").new.lines()) == [A]
    assert learner.lines == {A}
    before = learner.path.stat().st_ino
    assert list(learner("open('a.txt').close()").new.lines()) == []
    assert learner.path.stat().st_ino == before  # nothing new, nothing written
    learner("open('b.txt').close()")
    assert learner.lines == {A, B}
    assert "1 new for freezer.learned.toml" in learner.stream.getvalue()


@pytest.mark.usefixtures("data")
def test_the_comparison_is_with_a_build_that_knows_nothing(learner: Learner) -> None:
    learner("open('a.txt').close()")
    learner("open('a.txt').close()")
    assert [item.learned for item in learner.plans] == [None, None]


@pytest.mark.usefixtures("data")
def test_what_a_learned_module_brings_is_not_learned(learner: Learner, ground: Any) -> None:
    """Neither in the run that finds it, nor in the next one, nor in a check."""
    ground.write(ground.app / "late.py", "__import__('later')\nopen('a.txt').close()\n")
    ground.write(ground.app / "later.py", "__import__('latest')\n")
    ground.write(ground.app / "latest.py")
    code = "from importlib import import_module; import_module('late')"
    chain = (("late", "app"), ("later", "late"), ("latest", "later"))
    found = {("modules", name, f"{asker}.py:1") for name, asker in chain}
    learner(code)
    # The made up build does not follow imports, so that what it lacks is found step by step.
    assert learner.builds[:3] == [(), ("late",), ("late", "later")]
    assert learner.lines == found
    for check in (False, True):
        (ground.contents / "a.txt").unlink()
        lesson = learner(code, check=check)
        assert lesson.error is None and list(lesson.new.lines()) == []


def test_lines_that_a_build_does_without_go(learner: Learner, ground: Any) -> None:
    for name in ("there.txt", "pkg/x.bin"):
        ground.write(ground.contents / name)
    ground.write(ground.app / "there.txt")
    known = Learned(
        learner.path, ground.app,
        modules={"known": "x", "other": "x"}, files={"there.txt": "x", "gone.txt": "x"},
        package_files={"pkg/x.bin": "x", "pkg/y.bin": "x"}, libraries={"libz.so.1": "x", "libq.so": "x"},
        metadata={"m": "x"},
    )  # fmt: skip
    learner.path.write_text(known.text())
    lesson = learner("pass")
    assert {name for _, name, _ in lesson.brought.lines()} == {"known", "there.txt", "pkg/x.bin", "libz.so.1"}
    assert {name for _, name, _ in learner.lines} == {"other", "gone.txt", "pkg/y.bin", "libq.so", "m"}


@pytest.mark.usefixtures("data")
def test_a_check_fails_and_writes_nothing(learner: Learner) -> None:
    error = failure(learner("open('a.txt').close()", check=True))
    assert isinstance(error, VerificationError)
    assert error.why == "[files] a.txt: app.py:1"
    assert not learner.path.exists()
    learner("open('a.txt').close()")
    assert learner("open('a.txt').close()", check=True).error is None


@pytest.mark.usefixtures("data")
def test_a_command_that_fails_is_learnt_from_all_the_same(learner: Learner) -> None:
    error = failure(learner("open('a.txt').close(); raise SystemExit(4)"))
    assert isinstance(error, ToolError) and "exited with status 4" in error.what
    assert learner.lines == {A}
    assert isinstance(failure(learner("raise SystemExit(4)", check=True)), ToolError)


@pytest.mark.usefixtures("data")
def test_what_is_missing_is_worse_than_a_failure(learner: Learner) -> None:
    lesson = learner("open('a.txt').close(); raise SystemExit(4)", check=True)
    assert isinstance(failure(lesson), VerificationError)


def test_secrets_and_what_took_no_notes_are_warned_of(learner: Learner, ground: Any) -> None:
    os.utime(ground.write(ground.app / ".env", "PASSWORD=x"), (1, 1))
    lesson = learner(
        "import os, subprocess, sys\n"
        "open('.env').close(); os.environ.get('MODE'); subprocess.run(['true'])\n"
        "subprocess.run([sys.executable, '-I', '-c', ''])\n"
    )
    said = learner.stream.getvalue()
    assert ".env does not come along: a secret; asked for at app.py:2" in said
    assert "took no notes" in said
    assert (dict(lesson.programs), dict(lesson.variables)) == ({"true": "app.py:2"}, {"MODE": "app.py:2"})
    assert learner.lines == set()


def test_another_system(learner: Learner, ground: Any) -> None:
    with pytest.raises(InputError, match="on this host"):
        learner("pass", chroot=str(ground.folder))


def test_a_named_file_need_not_exist(learner: Learner, ground: Any) -> None:
    learner("raise SystemExit(3)", learned="other.toml")
    assert not (ground.app / "other.toml").exists()  # nothing was needed
    learner("pass", learned="other.toml")
    made = read_learned(str(ground.app / "other.toml"), ground.app)
    assert made is not None and (dict(made.runs), list(made.lines())) == ({"": "status 0"}, [])
    assert plan(ground.app, entry="app.py").learned is None
