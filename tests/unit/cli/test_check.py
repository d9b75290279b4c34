"""``freezer check``: the status says whether the file is proven."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from signing import provenance, signer_in

from freezer.base.errors import ExitStatus, VerificationError
from freezer.cli.main import main
from freezer.plan.build import Smoke
from freezer.plan.choices import Verification
from freezer.prove import existing
from freezer.prove.proof import Proof
from freezer.prove.strength import Strength

PROOF = Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 3, ("note",), ("warning",))


def test_check(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(existing, "check_executable", lambda *_a, **_k: PROOF)
    assert main(["check", "app.py"]) == 0
    assert capsys.readouterr().out == f"{here}/app.py\n"
    assert main(["check", "app.py", "--json"]) == 0
    reply = json.loads(capsys.readouterr().out)
    assert (reply["isolation"], reply["strength"]) == ("root", "empty root, own namespaces")
    assert (reply["notes"], reply["warnings"]) == (["note"], ["warning"])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), Verification.REQUIRE),
        (("--smoke", "x"), Verification.REQUIRE),
        (("--verify=auto",), Verification.AUTO),
        (("--no-verify",), Verification.NO),
    ],
)
def test_a_check_is_a_proof_unless_told_otherwise(
    here: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], wanted: Verification
) -> None:
    seen: list[Verification] = []

    def check(_path: Path, _smokes: tuple[Smoke, ...], verification: Verification, **_: Any) -> Proof:
        seen.append(verification)
        return PROOF

    monkeypatch.setattr(existing, "check_executable", check)
    assert main(["check", "app.py", *words]) == 0
    assert seen == [wanted]


def test_a_failed_check(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: Any, **__: Any) -> Proof:
        raise VerificationError("app.py cannot be proven here")

    monkeypatch.setattr(existing, "check_executable", fail)
    assert main(["check", "app.py"]) == ExitStatus.VERIFICATION
    assert "cannot be proven here" in capsys.readouterr().err


def test_an_image_may_be_a_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(existing, "check_image", lambda *_a, **_k: PROOF)
    (here / "layout").mkdir()
    assert main(["check", "layout"]) == ExitStatus.INPUT
    assert "is not a file" in capsys.readouterr().err
    (here / "layout" / "oci-layout").write_text("{}")
    assert main(["check", "layout"]) == 0
    assert capsys.readouterr().out == f"{here}/layout\n"


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (("--learned",), [("go", "a b"), ()]),
        (("--learned", "other.toml"), [None]),
        (("--learned", "--smoke", "x"), [("x",), ("go", "a b"), ()]),
        ((), [None]),
    ],
)
def test_learned_runs_are_done_after_those_that_are_asked(
    here: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], arguments: list[Any]
) -> None:
    (here / "freezer.learned.toml").write_text('[runs]\n"go \'a b\'" = "status 0"\n"" = "any status"\n')
    (here / "other.toml").write_text('[modules]\n"a" = "x"\n')
    seen: list[Any] = []

    def check(_path: Path, smokes: tuple[Smoke, ...], *_: Any, **options: Any) -> Proof:
        seen.append(([smoke.arguments for smoke in smokes], options["learned"] is not None))
        return PROOF

    monkeypatch.setattr(existing, "check_executable", check)
    assert main(["check", "app.py", *words]) == 0
    found, given = seen[0]
    assert sorted(found, key=str) == sorted(arguments, key=str) and given == bool(words)
    assert main(["check", "app.py", "--learned", "none.toml"]) == ExitStatus.INPUT
    assert main(["check", "app.py", "--no-verify", "--learned"]) == ExitStatus.USAGE


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were proven."""
    seen: list[Path] = []

    def prove(path: Path, *_: Any, **__: Any) -> Proof:
        seen.append(path)
        return PROOF

    monkeypatch.setattr(existing, "check_executable", prove)
    monkeypatch.setattr(existing, "check_image", prove)
    return seen


def test_a_signature_comes_first(here: Path, proven: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """What is not signed with the key is not run."""
    signer, stranger = signer_in(here), signer_in(here, "stranger")
    (here / "app").write_text("#!")
    assert main(["check", "app", "--key", "key.pub"]) == ExitStatus.VERIFICATION
    assert f"{here}/app is not signed" in capsys.readouterr().err
    provenance(stranger).of_file(here / "app", "app").write(here / "app.intoto.jsonl")
    assert main(["check", "app", "--key", "key.pub"]) == ExitStatus.VERIFICATION
    assert "is not signed with this key" in capsys.readouterr().err
    provenance(signer).of_file(here / "key", "key").write(here / "other.jsonl")
    assert main(["check", "app", "--key", "key.pub", "--signature", "other.jsonl"]) == ExitStatus.VERIFICATION
    assert "is not what was signed" in capsys.readouterr().err
    assert proven == []
    provenance(signer).of_file(here / "app", "app").write(here / "other.jsonl")
    assert main(["check", "app", "--key", "key.pub", "--signature", "other.jsonl", "--json"]) == 0
    shown = capsys.readouterr()
    assert f"signed with the key {signer.public.fingerprint[:24]}" in shown.err
    assert json.loads(shown.out)["signature"]["key"] == signer.public.fingerprint
    assert proven == [here / "app"]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--signature", "app.py"], ExitStatus.USAGE, "--signature needs --key"),
        (["--key", "none"], ExitStatus.INPUT, "cannot read the key"),
        (["--key", "app.py"], ExitStatus.INPUT, "no public key that freezer can read"),
        (["--key", "key"], ExitStatus.INPUT, "is a private key"),
    ],
)
def test_no_key(
    here: Path, proven: list[Path], capsys: pytest.CaptureFixture[str], words: list[str], status: int, said: str
) -> None:
    signer_in(here)
    assert main(["check", "app.py", *words]) == status
    assert said in capsys.readouterr().err and proven == []
