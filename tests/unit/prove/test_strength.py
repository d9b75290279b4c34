"""Whoever requires a proof gets one or an error; whoever does not, gets the same reason as a warning."""

from __future__ import annotations

import json

import pytest

from freezer.base.errors import ExitStatus, VerificationError
from freezer.plan.choices import Verification
from freezer.prove.strength import Strength, weaken


def test_required() -> None:
    with pytest.raises(VerificationError, match="app cannot be proven here") as caught:
        weaken("app", "no namespaces", "get some", Verification.REQUIRE)
    assert caught.value.status is ExitStatus.VERIFICATION
    assert caught.value.why == "no namespaces"
    assert (caught.value.hint or "").startswith("get some\n--verify=auto")


def test_not_required() -> None:
    words = weaken("app", "no namespaces", "get some", Verification.AUTO)
    assert words == "app is not proven: no namespaces; get some"


def test_words() -> None:
    assert Strength.EMPTY_ROOT.sentence == "proven: empty root, own namespaces"
    assert Strength.HOST.sentence == "not proven: run on the host"
    assert json.dumps(Strength.NOT_RUN) == '"not run"'
