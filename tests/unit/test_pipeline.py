"""The stages of a build: in their order, each with what the one before gave, and none after one that fails."""

from __future__ import annotations

import dataclasses
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Optional

import pytest
from plans import plan
from support import held_free

from freezer import pipeline
from freezer import stages as stages_module
from freezer.application.origin import Origin
from freezer.base import tools
from freezer.base.bill import SBOM
from freezer.base.errors import (
    EnvironmentFailure,
    FreezerError,
    Interrupted,
    OutputError,
    ToolError,
    VerificationError,
)
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.base.publish import BILLS
from freezer.image import make as image_make
from freezer.inspect import read_papers
from freezer.link import whole_bundle
from freezer.link.kept_bundles import Bundle
from freezer.link.other import Looking
from freezer.plan.build import Plan
from freezer.prove import repair
from freezer.prove.judge import FailedRun
from freezer.prove.proof import Proof
from freezer.prove.repair import Repair
from freezer.prove.strength import Strength
from freezer.results import Built

STAGES = (
    "system_of",
    "probe_interpreter",
    "prepare",
    "freeze",
    "close_bundle",
    "with_bill",
    "read_package",
    "with_list",
    "link",
    "prove",
    "origin_of",
    "materials_of",
)
IMAGE = "image_of_linked"
PREVIOUS = "\x7fELF, as executables begin"
NOWHERE = Origin(None, None, None)
PROOF = Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 3)


class Stages:
    """In place of the stages: each gives its name, notes what it was given, and fails if it is to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.called: list[str] = []
        self.given: dict[str, tuple[Any, ...]] = {}
        self.failing: dict[str, BaseException] = {}
        self.kept: Optional[Built] = None
        self.bundle: Optional[Bundle] = None
        self.remembered: list[Built] = []
        self.folder = folder
        self.log = Log(stream=io.StringIO())
        answers: dict[str, Callable[..., Any]] = {
            **{name: (lambda *_, name=name, **_named: name) for name in (*STAGES, IMAGE, "image_of_executable")},
            "prepare": lambda *_: ("environment", Application()),
            "with_bill": lambda *_: Closed(),
            "with_list": lambda closed: closed,
            "prove": lambda *_, **_named: PROOF,
            "link": self.linked,
            "recall": lambda *_: self.kept,
            "recall_bundle": lambda *_: self.bundle,
            "built_of": lambda path, *_: Built(path, 1, "0", "3.11.2", None, NOWHERE),
            "named_inputs": lambda *_: "named",
            "remember": lambda *given: self.remembered.append(given[5]),
            "keep_bundle": lambda *_: None,
        }
        elsewhere: dict[str, ModuleType] = {
            **dict.fromkeys(("freeze", "close_bundle", "with_bill", "read_package", "with_list"), whole_bundle),
            **dict.fromkeys((IMAGE, "image_of_executable"), image_make),
            **dict.fromkeys(("recall", "named_inputs"), pipeline),
        }
        for name, answer in answers.items():
            monkeypatch.setattr(elsewhere.get(name, stages_module), name, self.noting(name, answer))
        # What may be done at the same time is done in a row.
        monkeypatch.setattr(os, "cpu_count", lambda: 1)
        monkeypatch.setattr(tools, "require", self.noting("require", lambda _names: {}))

    def noting(self, name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        def stage(*given: Any, **named: Any) -> Any:
            self.called.append(name)
            self.given[name] = given
            if name in self.failing:
                raise self.failing[name]
            return answer(*given, **named)

        return stage

    def linked(self, _plan: Plan, _closed: str, _package: str, job: Job, *, other: object) -> Linked:
        assert other == (self.bundle and self.bundle.other)
        path = job.folder("link") / "app"
        path.write_text("new")
        return Linked(path)

    def build(self, plan: Plan) -> Built:
        return pipeline.build(plan, cache=self.folder / "cache", keep_work=False, log=self.log)


@dataclasses.dataclass(frozen=True)
class Closed:
    frozen: str = "frozen"


@dataclasses.dataclass(frozen=True)
class Application:
    name: str = "app"


def ended() -> threading.Thread:
    thread = threading.Thread()
    thread.start()
    return thread


@dataclasses.dataclass(frozen=True)
class Linked:
    path: Path
    papers: dict[str, bytes] = dataclasses.field(default_factory=lambda: {SBOM: b"linked"})
    other: Looking = dataclasses.field(default_factory=lambda: Looking(ended(), []), compare=False)


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stages:
    return Stages(monkeypatch, tmp_path)


def test_in_order(stages: Stages, here: Path) -> None:
    built = stages.build(plan(here, entry="app.py"))
    first, rest = STAGES[:3], STAGES[3:]
    begun = ["require", "named_inputs", "recall", *first, "recall_bundle"]
    assert stages.called == [*begun, *rest, "built_of", "remember", "keep_bundle"]
    assert built.path == here / "dist" / "app"
    assert built.path.read_text() == "new"
    assert stages.remembered == [built]
    assert held_free(stages.folder / "cache" / "work") == []


def test_each_has_what_the_one_before_gave(stages: Stages, here: Path) -> None:
    made = plan(here, entry="app.py")
    stages.build(made)
    given = stages.given
    job = whole = given["system_of"][1]
    assert given["probe_interpreter"] == (made, "system_of", job)
    assert given["prepare"] == (made, "system_of", "probe_interpreter", job)
    assert given["recall_bundle"] == (made, "named", "environment", Application(), job)
    assert given["freeze"] == (made, "environment", Application(), job)
    # From here on, no program of the system can have put anything into the work directory.
    after = given["close_bundle"][3]
    assert after == dataclasses.replace(job, work=after.work)
    assert after.work.parent == job.work
    job = after
    assert given["close_bundle"] == (made, "environment", "freeze", job)
    assert given["with_bill"] == (made, "environment", Application(), "close_bundle")
    assert given["read_package"] == ("freeze", job)
    assert given["link"] == (made, Closed(), "read_package", job)
    assert given["prove"] == (made, Linked(job.work / "link" / "app"), job)
    assert given["built_of"][6:] == (PROOF, "origin_of", None, "materials_of")
    assert given["materials_of"] == (made, "environment", Application(), Linked(job.work / "link" / "app"), job)
    assert given["keep_bundle"][:4] == (made, "named", "environment", Application())
    # The next build recalls it by names below the same work directory.
    assert given["keep_bundle"][5] == whole
    assert (given["keep_bundle"][4].package, given["keep_bundle"][4].loaded) == ("read_package", 3)
    assert given["recall"][1] == given["remember"][1] == "named"
    assert job.cache == stages.folder / "cache"


def test_the_image_is_made_of_what_was_proven(stages: Stages, here: Path) -> None:
    made = plan(here, entry="app.py", image="image.tar", output="out/x")
    stages.build(made)
    assert stages.called.index("prove") < stages.called.index(IMAGE) < stages.called.index("built_of")
    image, linked, name, origin, _, attach = stages.given[IMAGE]
    assert (image, linked.path.name, name, origin) == (made.image, "app", "x", "origin_of")
    assert stages.given["built_of"][8] == IMAGE
    assert attach is None


FAILURES = [
    *(EnvironmentFailure("x"), ToolError("x"), VerificationError("x")),
    *(Interrupted("x"), KeyboardInterrupt(), OSError(5)),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda item: type(item).__name__)
@pytest.mark.parametrize("stage", [*STAGES, IMAGE])
def test_a_failure_leaves_the_previous_output(stages: Stages, here: Path, stage: str, failure: BaseException) -> None:
    (here / "dist").mkdir()
    (here / "dist" / "app").write_text(PREVIOUS)
    stages.failing[stage] = failure
    with pytest.raises(type(failure)) as caught:
        stages.build(plan(here, entry="app.py", image="image.tar"))
    assert caught.value is failure
    assert stages.called[-1] == stage
    assert (here / "dist" / "app").read_text() == PREVIOUS
    assert sorted(path.name for path in here.rglob("*")) == ["app", "app.py", "dist"]
    assert stages.remembered == []
    assert held_free(stages.folder / "cache" / "work") == []


def test_what_a_run_lacks_is_added_and_tried_again(stages: Stages, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From freezing on, and in a directory of its own; what is remembered is the plan that was asked for."""
    failure = FailedRun("app does not run", said="No module named 'helper'")
    added = Repair("hidden_imports", ("helper",), "the module helper", "--hidden-import helper")
    proof = Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 3)
    plans: list[Plan] = []

    def prove(made: Plan, _linked: Linked, _job: Job, **_named: object) -> Proof:
        plans.append(made)
        if len(plans) == 1:
            raise failure
        return proof

    def find_repair(*given: Any) -> Repair:
        assert given[3] is failure
        return added

    monkeypatch.setattr(stages_module, "prove", prove)
    monkeypatch.setattr(repair, "find_repair", find_repair)
    made = plan(here, entry="app.py")
    stages.build(made)
    assert [item.hidden_imports for item in plans] == [(), ("helper",)]
    again = ["freeze", "close_bundle", "with_bill", "read_package", "with_list", "link"]
    begun = ["system_of", "probe_interpreter", "prepare", "recall_bundle"]
    assert stages.called[3:] == [*begun, *again, *again, *stages.called[-5:]]
    assert stages.given["keep_bundle"][0] == plans[1]
    assert stages.given["freeze"][0] == plans[1]
    assert stages.given["remember"][0] is made
    assert stages.given["built_of"][6].warnings == (added.sentence,)
    assert held_free(stages.folder / "cache" / "work") == []


@pytest.mark.parametrize("failing", ["", "with_bill", "read_package"])
def test_the_code_is_read_while_the_bundle_is_closed(stages: Stages, here: Path, failing: str) -> None:
    if failing:
        stages.failing[failing] = ToolError("x")
        with pytest.raises(ToolError):
            stages.build(plan(here, entry="app.py", jobs=2))
        assert "link" not in stages.called
        return
    stages.build(plan(here, entry="app.py", jobs=2))
    assert {"close_bundle", "with_bill", "read_package"} < set(stages.called)
    assert stages.given["link"][1:3] == (Closed(), "read_package")


def bundle() -> Bundle:
    closed: Any = Closed()
    package: Any = "kept package"
    return Bundle(closed, package, loaded=3, changed=("app.py",))


def test_a_kept_bundle_is_linked_and_proven(stages: Stages, here: Path) -> None:
    stages.bundle = bundle()
    stages.build(plan(here, entry="app.py"))
    assert "freeze" not in stages.called
    assert stages.given["link"][1:3] == (Closed(), "kept package")
    assert stages.called[-3:] == ["built_of", "remember", "keep_bundle"]


def test_a_kept_bundle_that_does_not_run_is_made_anew(
    stages: Stages, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is added to it: nothing may come of what is kept that a whole build would not make."""
    stages.bundle = bundle()
    loaded: list[object] = []

    def prove(_plan: Plan, _linked: Linked, _job: Job, **named: object) -> Proof:
        loaded.append(named["loaded"])
        if len(loaded) == 1:
            raise FailedRun("app does not run", said="No module named 'helper'")
        return Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 7)

    monkeypatch.setattr(stages_module, "prove", prove)
    made = plan(here, entry="app.py")
    stages.build(made)
    assert loaded == [3, None]
    assert stages.given["freeze"][0] is made
    kept = stages.given["keep_bundle"][4]
    assert (kept.package, kept.loaded, kept.changed) == ("read_package", 7, None)


def test_nothing_begins_for_a_place_that_cannot_be_written(stages: Stages, here: Path) -> None:
    (here / "dist" / "app").mkdir(parents=True)
    with pytest.raises(OutputError, match="is a directory"):
        stages.build(plan(here, entry="app.py"))
    with pytest.raises(OutputError, match="is a directory"):
        stages.build(plan(here, entry="app.py", output="x", image="dist"))
    assert stages.called == []
    assert not (stages.folder / "cache").exists()


def test_nothing_begins_without_the_tools(stages: Stages, here: Path) -> None:
    stages.failing["require"] = EnvironmentFailure("missing program: objcopy")
    with pytest.raises(FreezerError, match="objcopy"):
        stages.build(plan(here, entry="app.py"))
    assert stages.called == ["require"]
    assert not (stages.folder / "cache").exists()


def kept(here: Path) -> Built:
    path = here / "dist" / "app"
    path.parent.mkdir()
    path.write_text(PREVIOUS)
    return Built(path, len(PREVIOUS), "0", "3.11.2", None, NOWHERE, unchanged=True)


def test_an_earlier_build_that_is_still_right_is_all(stages: Stages, here: Path) -> None:
    stages.kept = kept(here)
    assert stages.build(plan(here, entry="app.py")) == stages.kept
    assert stages.called == ["require", "named_inputs", "recall"]
    assert isinstance(stages.log.stream, io.StringIO)
    assert stages.log.stream.getvalue() == f"{here}/dist/app is up to date\n"
    assert not (stages.folder / "cache").exists()


def test_an_image_is_made_of_the_earlier_build(stages: Stages, here: Path) -> None:
    stages.kept = kept(here)
    made = plan(here, entry="app.py", image="image.tar")
    built = stages.build(made)
    assert stages.called == ["require", "named_inputs", "recall", "image_of_executable"]
    assert stages.given["image_of_executable"] == (
        made.image,
        here / "dist" / "app",
        NOWHERE,
        stages.log,
    )
    assert built == dataclasses.replace(stages.kept, image="image_of_executable")  # type: ignore[arg-type]


def test_a_bill_of_materials_is_written(stages: Stages, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was linked, or of the executable that an earlier build has made; it is no reason to build again."""
    made = plan(here, entry="app.py", sbom="app.cdx.json")
    assert made.digest_parts() == plan(here, entry="app.py").digest_parts()
    monkeypatch.setattr(read_papers, "papers_in_program", lambda *_: {SBOM: BILLS[0] + b"kept"})
    stages.kept = kept(here)
    built = stages.build(made)
    assert (here / "app.cdx.json").read_bytes() == BILLS[0] + b"kept"
    assert built.sbom == here / "app.cdx.json" and built.image is None
    stages.kept = None
    stages.build(made)
    assert (here / "app.cdx.json").read_bytes() == b"linked"


def test_work_is_kept_on_request(stages: Stages, here: Path) -> None:
    made = plan(here, entry="app.py")
    pipeline.build(made, cache=stages.folder / "cache", keep_work=True, log=stages.log)
    (work,) = (stages.folder / "cache" / "work").iterdir()
    assert work.name.startswith("app-")
    assert len(list(work.glob("own-*/link"))) == 1


def test_a_survey_runs_the_stages_up_to_the_application(stages: Stages, here: Path) -> None:
    found: object = pipeline.survey(plan(here, entry="app.py"), cache=here / "cache", log=stages.log)
    assert found == Application()
    assert stages.called == ["require", "system_of", "probe_interpreter", "prepare"]
