"""Settings of signatures: from options and files, and where results go."""

from __future__ import annotations

from pathlib import Path

import pytest
from plans import plan

from freezer.base.errors import UsageError
from freezer.plan.outputs import check_outputs, inputs
from freezer.plan.resolve import resolve_signing
from freezer.plan.signing import Signing, beside


def test_options(here: Path) -> None:
    made = plan(here, entry="app.py", sign_key="k.pem", sign_passphrase="pass", provenance="p.json")
    assert made.signing == Signing(here / "p.json", here / "k.pem", here / "pass")
    assert plan(here, entry="app.py").signing == Signing() and not Signing().is_wanted
    assert plan(here, entry="app.py", provenance="-").signing.provenance == Path("/dev/stdout")
    assert made.digest_parts() == plan(here, entry="app.py").digest_parts()


def test_files(here: Path) -> None:
    (here / "pyproject.toml").write_text('[tool.freezer]\nsign-key = "keys/k"\nsign-passphrase = "~/pass"\n')
    expected = Signing(None, here / "keys/k", Path.home() / "pass")
    assert plan(here, entry="app.py").signing == expected
    assert resolve_signing({}, folder=here) == expected
    assert resolve_signing({"sign_key": "other", "provenance": None}, folder=here).key == here / "other"


def test_a_passphrase_for_nothing(here: Path) -> None:
    with pytest.raises(UsageError, match="--sign-passphrase needs --sign-key"):
        plan(here, entry="app.py", sign_passphrase="pass")


def test_where_it_goes(here: Path) -> None:
    """Beside the executable what is signed, if no file is named."""
    executable = here / "dist/app"
    assert beside(executable) == here / "dist/app.intoto.jsonl"
    assert Signing().file_for(executable) is None
    assert Signing(key=here / "k").file_for(executable) == beside(executable)
    assert Signing(provenance=here / "p", key=here / "k").file_for(executable) == here / "p"
    assert Signing(provenance=here / "p").file_for(executable) == here / "p"


def test_keys_are_inputs_and_never_replaced(here: Path) -> None:
    made = plan(here, entry="app.py", sign_key="k.pem", sign_passphrase="pass")
    assert {here / "k.pem", here / "pass"} <= inputs(made)
    (here / "k.pem").write_text("key")
    for option in ("output", "image", "sbom", "provenance"):
        with pytest.raises(UsageError, match="would be replaced"):
            check_outputs(plan(here, entry="app.py", sign_key="k.pem", **{option: "k.pem"}), "app")


def test_two_results_in_one_place(here: Path) -> None:
    for options in (
        {"provenance": "x", "sbom": "x"},
        {"provenance": "x", "image": "x"},
        {"provenance": "x", "output": "x"},
        {"sign_key": "k", "output": "x", "sbom": "x.intoto.jsonl"},
    ):
        with pytest.raises(UsageError, match="the provenance cannot both be"):
            check_outputs(plan(here, entry="app.py", **options), "app")


def test_earlier_results_may_be_replaced(here: Path) -> None:
    """In a directory that is read, too."""
    for start in (b'{"_type":"https://in-toto.io/Statement/v1"', b'{"payloadType":"application/vnd.in-toto+json"'):
        (here / "p.json").write_bytes(start)
        check_outputs(plan(here, entry="app.py", provenance="p.json"), "app")
    (here / "p.json").write_bytes(b"{}")
    with pytest.raises(UsageError, match="would be replaced"):
        check_outputs(plan(here, entry="app.py", provenance="p.json"), "app")
