"""What becomes of an application that is to start from snapshots: its key, or the reasons against it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Optional

import pytest
from plans import plan

from freezer.base.errors import VerificationError
from freezer.base.job import Job
from freezer.link.linkers import StaticApp
from freezer.plan.build import Plan, Request, Smoke
from freezer.plan.snapshot import SnapshotPlan
from freezer.prove.proof import Proof
from freezer.prove.snapshot import saved
from freezer.prove.snapshot.findings import Reason, SnapshotFindings, parse
from freezer.prove.snapshot.saved import WAYS, Trial, judge_series, prove_snapshots, try_snapshot
from freezer.prove.strength import Strength

GOOD = SnapshotFindings(variables=("HOME",), asks=("user",), boundary=("app.py", 3))
WRONG = SnapshotFindings(reasons=tuple(Reason("mod", line, "asks for the time", "do it later") for line in range(7)))
PROOF = Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 3)
SMOKE = Smoke(("--version",), 0, 10)
PLAIN, RESTORED = "x: started plainly: FREEZER_START=plain\n", "x: started by a snapshot\n"


class Parts:
    """In place of the probe, the linker and the trial."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.findings: Optional[SnapshotFindings] = GOOD
        self.trial = Trial(None, 0.3, 0.1)
        self.asked: list[Any] = []
        self.keys: list[Optional[SnapshotFindings]] = []
        self.folder = folder
        monkeypatch.setattr(saved, "find_snapshot", self.find)
        monkeypatch.setattr(saved, "with_key", self.link)
        monkeypatch.setattr(saved, "try_snapshot", lambda *_: self.trial)

    def find(self, _path: Path, ignore: Any, _job: Job, *, before: Any, imports: Any) -> SnapshotFindings:
        self.asked.append((ignore, before, imports))
        if self.findings is None:
            raise VerificationError("it cannot be watched", why="no namespaces", hint="allow them")
        return self.findings

    def link(self, _plan: Plan, linked: StaticApp, key: Optional[bytes], _job: Job) -> StaticApp:
        self.keys.append(None if key is None else parse(key))
        return linked

    def prove(self, job: Job, verify: str = "require") -> Proof:
        (self.folder / "app.py").touch()
        whole = plan(self.folder, entry="app.py", linker="native", start="snapshot", verify=verify)
        linked: Any = StaticApp(self.folder / "app", 1, None, None, False, None)  # type: ignore[arg-type]
        return prove_snapshots(whole, SnapshotPlan(before=("b",), imports=("c",), ignored=("I*",)), linked, PROOF, job)[
            1
        ]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Parts:
    return Parts(monkeypatch, tmp_path)


@pytest.mark.parametrize("verify", ["require", "auto"])
def test_the_key_is_what_the_probe_of_this_build_found(parts: Parts, job: Job, verify: str) -> None:
    assert parts.prove(job, verify) == PROOF
    assert parts.asked == [(("I*",), ("b",), ("c",))]
    assert parts.keys == [GOOD]


@pytest.mark.parametrize("verify", ["require", "auto"])
def test_a_snapshot_that_ends_early_is_warned_of(parts: Parts, job: Job, verify: str) -> None:
    parts.findings = dataclasses.replace(GOOD, before=("b", "mod"), limits=WRONG.reasons)
    (warning,) = parts.prove(job, verify).warnings
    assert "the snapshot of app ends at app.py:3" in warning and "mod:1: asks for the time" in warning
    assert parts.keys == [parts.findings]


def test_what_cannot_be_saved_is_an_error_if_a_proof_is_required(parts: Parts, job: Job) -> None:
    parts.findings = WRONG
    with pytest.raises(VerificationError, match="cannot begin from a snapshot") as caught:
        parts.prove(job)
    assert "mod:1: asks for the time" in (caught.value.why or "")
    assert parts.keys == []


def test_what_cannot_be_saved_starts_plainly_with_a_warning(parts: Parts, job: Job) -> None:
    parts.findings = WRONG
    (warning,) = parts.prove(job, "auto").warnings
    assert "app starts plainly" in warning and "mod:1: asks for the time" in warning and "and 2 more" in warning
    assert parts.keys == []


def test_a_restored_start_that_differs_counts_as_a_reason(parts: Parts, job: Job) -> None:
    parts.trial = Trial("it prints 'a', where a plain start prints 'b'")
    with pytest.raises(VerificationError) as caught:
        parts.prove(job)
    assert "app.py:3: it prints 'a'" in (caught.value.why or "")
    (warning,) = parts.prove(job, "auto").warnings
    assert "it prints 'a'" in warning
    assert parts.keys == [GOOD, GOOD, None]


def test_a_host_that_permits_no_probe(parts: Parts, job: Job) -> None:
    parts.findings = None
    with pytest.raises(VerificationError, match="cannot be watched"):
        parts.prove(job)
    (warning,) = parts.prove(job, "auto").warnings
    assert "starts plainly" in warning and "no namespaces" in warning
    assert parts.keys == []


def run(stderr: str, stdout: str = "", seconds: float = 0.1) -> dict[str, Any]:
    ended = {"status": 0, "signal": None, "timed_out": False, "seconds": seconds}
    return {"stdout": stdout, "stderr": stderr, **ended}


def series(*changed: dict[str, Any]) -> list[dict[str, Any]]:
    usual = [run(PLAIN, seconds=0.4), run(RESTORED, seconds=1.0), run(RESTORED), run(PLAIN, seconds=0.3)]
    return [{**item, **change} for item, change in zip(usual, changed or ({},) * 4)]


def test_starts_that_are_alike() -> None:
    assert judge_series(series(), [SMOKE]) == Trial(None, 0.3, 0.1)
    assert judge_series([*series(), *series()], [SMOKE, SMOKE]).problem is None


def test_each_restored_start_is_compared() -> None:
    for number in (1, 2):
        changed: list[dict[str, Any]] = [{}, {}, {}, {}]
        changed[number] = {"stdout": "other"}
        problem = judge_series(series(*changed), [SMOKE]).problem
        assert problem is not None and problem.startswith(
            "a start from a snapshot is another than a plain one with --version"
        )


def test_starts_that_were_plain() -> None:
    changed: tuple[dict[str, Any], ...] = ({}, {}, {"stderr": "x: started plainly: it crashed\n"}, {})
    assert judge_series(series(*changed), [SMOKE]).problem == "no start was from a snapshot: it crashed"
    server = Smoke(None, None, 10, requests=(Request("/"),))
    assert judge_series(series(*changed), [server]).problem is None
    changed = ({}, {"stderr": "x: started plainly: a thread\n"}, {}, {})
    assert judge_series(series(*changed), [server]).problem == "no start was from a snapshot: a thread"


def test_how_the_runs_are_asked_for(monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        asked.append(request)
        first, *rest = series()
        return {"runs": [{**first, "then": rest}]}

    monkeypatch.setattr(saved, "run_sandbox", answer)
    assert try_snapshot(tmp_path / "app", [SMOKE], job).problem is None
    (first,) = asked[0]["runs"]
    runs = [first, *first["then"]]
    assert tuple(item["env"]["FREEZER_START"] for item in runs) == WAYS
    assert {tuple(item["argv"]) for item in runs} == {("/app/app", "--version")}
    assert runs[1]["timeout"] > 60 > runs[2]["timeout"]
    monkeypatch.setattr(saved, "run_sandbox", lambda *_, **__: {"cause": "no namespaces", "remedy": "", "runs": []})
    assert "no namespaces" in (try_snapshot(tmp_path / "app", [SMOKE], job).problem or "")
