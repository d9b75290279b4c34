"""The judgement on runs, loads and files; what it rests on is tried in tests/integration/test_verification.py."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import compile_c

from freezer.base.errors import InputError, VerificationError
from freezer.base.job import Job
from freezer.plan.build import Request, Smoke
from freezer.plan.choices import Verification
from freezer.prove import verify as module
from freezer.prove.strength import Strength
from freezer.prove.verify import check_static, verify

ANY = Smoke(None, None, 10)


MAIN = "int main(void) { return 0; }"


def test_check_static(tmp_path: Path) -> None:
    static = compile_c(MAIN, tmp_path / "static", "-static")
    static.chmod(0o755)
    elf = check_static(static)
    assert check_static(static, elf.machine) == elf
    with pytest.raises(VerificationError, match="not a static executable") as caught:
        check_static(static, "EM_S390")
    assert "EM_S390" in (caught.value.why or "")
    for mode in (0o700, 0o711, 0o644):
        static.chmod(mode)
        with pytest.raises(VerificationError) as caught:
            check_static(static)
        assert f"{mode:04o}" in (caught.value.why or "")


def test_check_static_refuses(tmp_path: Path) -> None:
    dynamic = compile_c(MAIN, tmp_path / "dynamic")
    library = compile_c("int f;", tmp_path / "library.so", "-shared", "-fPIC", "-Wl,--no-as-needed", "-lc")
    for path in (dynamic, library):
        path.chmod(0o755)
        with pytest.raises(VerificationError, match=f"{path.name} is not a static executable") as caught:
            check_static(path)
        assert "interpreter" in (caught.value.why or "") or "needs" in (caught.value.why or "")
    image = bytearray(dynamic.read_bytes())
    image[16:18] = struct.pack("<H", 1)  # ET_REL
    dynamic.write_bytes(image)
    with pytest.raises(VerificationError, match="not a static executable"):
        check_static(dynamic)
    (tmp_path / "text").write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match="is not an executable"):
        check_static(tmp_path / "text")


REFUSED = {
    "cause": "create namespaces: EPERM: a filter forbids it",
    "remedy": "lift the filter",
    "runs": [],
}


@pytest.fixture
def static(tmp_path: Path) -> Path:
    path = compile_c(MAIN, tmp_path / "app", "-static")
    path.chmod(0o755)
    return path


def answer(monkeypatch: pytest.MonkeyPatch, reply: dict[str, Any]) -> list[dict[str, Any]]:
    """Have the sandbox answer so; returns its requests."""
    requests: list[dict[str, Any]] = []

    def run_sandbox(wanted: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        requests.append(dict(wanted))
        return reply

    monkeypatch.setattr(module, "run_sandbox", run_sandbox)
    return requests


def test_a_proof_is_required(static: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = answer(monkeypatch, REFUSED)
    for smoke in (Smoke(None, 77, 10), ANY):
        with pytest.raises(VerificationError, match="app cannot be proven here") as caught:
            verify(static, (smoke,), Verification.REQUIRE, job, jobs=1)
        assert caught.value.why == "create namespaces: EPERM: a filter forbids it"
        assert (caught.value.hint or "").startswith("lift the filter\n--verify=auto")
    # The application gets the host for no proof at all.
    assert not any("host_runs" in request for request in requests)


def test_a_weaker_proof(static: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = answer(monkeypatch, REFUSED)
    proof = verify(static, (ANY,), Verification.AUTO, job, jobs=1)
    assert "host_runs" not in requests[0]
    assert (proof.strength, proof.isolation, proof.seconds) == (Strength.NOT_RUN, None, None)
    assert proof.outcome == "not run: create namespaces: EPERM: a filter forbids it"
    assert proof.warnings == ("app is not proven: create namespaces: EPERM: a filter forbids it; lift the filter",)
    assert proof.sentence == "not proven: not run"


def test_a_run_on_the_host(static: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only if the user has said how to run, and that a weaker proof is enough."""
    run: dict[str, Any] = {
        "status": 3,
        "signal": None,
        "timed_out": False,
        "mapped": [],
        "seconds": 0.25,
        "first_output": None,
    }
    requests = answer(monkeypatch, {**REFUSED, "runs": [run]})
    proof = verify(static, (Smoke(("x",), 3, 10),), Verification.AUTO, job, jobs=1)
    (wanted,) = requests[0]["host_runs"]
    assert wanted["argv"] == [str(static), "x"]
    assert wanted["cwd"] == wanted["env"]["HOME"] == wanted["env"]["TMPDIR"] == str(job.work / "home")
    assert (proof.strength, proof.outcome) == (Strength.HOST, "ran on the host: exited with status 3")
    assert proof.sentence == "first output after 250 ms; not proven: run on the host"
    assert "a filter forbids it" in proof.warnings[0]
    with pytest.raises(VerificationError, match="exited with status 3 on the host; the expected status was 77"):
        verify(static, (Smoke(None, 77, 10),), Verification.AUTO, job, jobs=1)


def test_a_server_is_never_started_on_the_host(static: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it was not asked is said, whatever else has run."""
    server = Smoke(None, None, 10, requests=(Request("/health"),))
    requests = answer(monkeypatch, REFUSED)
    proof = verify(static, (server,), Verification.AUTO, job, jobs=1)
    assert "host_runs" not in requests[0]
    assert proof.strength is Strength.NOT_RUN
    assert "app was not asked GET /health: without a network of its own, a server is not started" in proof.warnings
    run: dict[str, Any] = {"status": 3, "signal": None, "timed_out": False, "mapped": [], "seconds": 1}
    requests = answer(monkeypatch, {**REFUSED, "runs": [{**run, "first_output": None}]})
    proof = verify(static, (server, Smoke(("x",), 3, 10)), Verification.AUTO, job, jobs=1)
    assert [item["argv"][1:] for item in requests[0]["host_runs"]] == [["x"]]
    assert (proof.strength, len(proof.warnings)) == (Strength.HOST, 2)


def test_no_verification(static: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = answer(monkeypatch, REFUSED)
    proof = verify(static, (ANY,), Verification.NO, job, jobs=1)
    assert (proof.strength, proof.outcome, proof.warnings) == (Strength.NOT_RUN, "not run: --verify=no", ())
    assert requests == []


def test_another_machine(static: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "check_static", lambda _path: SimpleNamespace(machine="EM_S390"))
    with pytest.raises(VerificationError) as caught:
        verify(static, (ANY,), Verification.REQUIRE, job, jobs=1)
    assert caught.value.why == "it is made for EM_S390"
    assert verify(static, (ANY,), Verification.AUTO, job, jobs=1).outcome == "not run: it is made for EM_S390"


def test_an_empty_root(static: Path, job: Job) -> None:
    """The whole way, with the sandbox itself."""
    proof = verify(static, (ANY,), Verification.REQUIRE, job, jobs=1)
    assert proof.strength is Strength.EMPTY_ROOT and proof.isolation is not None
    assert proof.outcome == "ran in an empty root: exited with status 0"
