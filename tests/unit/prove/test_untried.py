"""What a proof has not tried: said by what was asked, and by what is in the application."""

from __future__ import annotations

import pytest

from freezer.plan.build import Request, Smoke
from freezer.prove.untried import untried

START = Smoke(None, None, 10)
ASKED = Smoke(("--self-test",), 0, 10)
SERVER = Smoke(None, None, 10, requests=(Request("/"),))


@pytest.mark.parametrize("smokes", [(START,), (ASKED,), (START, ASKED)])
def test_a_server_that_nobody_asked(smokes: tuple[Smoke, ...]) -> None:
    said = untried(smokes, {"flask", "werkzeug", "os"}, set())
    assert said == "not tried: a request, though flask is in it; to ask a server: --smoke-http /"
    assert untried((*smokes, SERVER), {"flask"}, set()) is None


def test_a_server_of_the_standard_library_is_the_applications_own() -> None:
    said = untried((ASKED,), {"http.server", "requests"}, {"requests"})
    assert said is None
    said = untried((ASKED,), {"http.server"}, {"http.server"})
    assert said is not None and "http.server is in it" in said


def test_a_mere_start() -> None:
    assert untried((START,), {"os"}, {"os"}) == (
        "not tried: more than a start without arguments; to have it do something: --smoke ARGS"
    )
    assert untried((ASKED,), {"os"}, {"os"}) is None
    assert untried((Smoke(None, 0, 2, endless=True),), {"os"}, {"os"}) is None
