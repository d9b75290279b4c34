"""What a proof has not tried: said by what was asked, by what is in the application, and by what was imported."""

from __future__ import annotations

from collections.abc import Collection
from typing import Optional

import pytest

from freezer.plan.build import Request, Smoke
from freezer.prove.proof import Proof
from freezer.prove.strength import Strength
from freezer.prove.untried import untried

START = Smoke(None, None, 10)
ASKED = Smoke(("--self-test",), 0, 10)
SERVER = Smoke(None, None, 10, requests=(Request("/"),))
NO_ARGUMENTS = "not tried: more than a start without arguments; to have it do something: --smoke ARGS"


def said(
    *smokes: Smoke,
    modules: Collection[str] = ("os",),
    imports: Collection[str] = (),
    unused: Optional[tuple[str, ...]] = (),
) -> tuple[str, ...]:
    proof = Proof(Strength.EMPTY_ROOT, "root", "ran", 0.1, 3, own=3, unused=unused)
    return untried(smokes, modules, imports, proof)


@pytest.mark.parametrize("smokes", [(START,), (ASKED,), (START, ASKED)])
def test_a_server_that_nobody_asked(smokes: tuple[Smoke, ...]) -> None:
    (sentence,) = said(*smokes, modules=("flask", "werkzeug", "os"))
    assert sentence == "not tried: a request, though flask is in it; to ask a server: --smoke-http /"
    assert said(*smokes, SERVER, modules=("flask",)) == ()


def test_a_server_of_the_standard_library_is_the_applications_own() -> None:
    assert said(ASKED, modules=("http.server", "requests"), imports=("requests",)) == ()
    (sentence,) = said(ASKED, modules=("http.server",), imports=("http.server",))
    assert "http.server is in it" in sentence


def test_a_mere_start() -> None:
    assert said(START) == (NO_ARGUMENTS,)
    assert said(ASKED) == said(SERVER) == said(Smoke(None, 0, 2, endless=True)) == ()


def test_modules_that_no_run_imported() -> None:
    assert said(ASKED, unused=("x", "y")) == ("1 of 3 own modules ran; -v names the others",)
    assert said(START, unused=("x",)) == (NO_ARGUMENTS, "2 of 3 own modules ran; -v names the others")
    # Where that cannot be told, nothing is.
    assert said(ASKED, unused=None) == ()
