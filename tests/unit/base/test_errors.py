"""Errors: one message with what, why and what to try, and a status for each kind."""

from __future__ import annotations

import pytest

from freezer.base import errors
from freezer.base.errors import ExitStatus, FreezerError, InputError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FreezerError)]


def test_every_kind_has_a_status_of_its_own() -> None:
    statuses = [kind.status for kind in KINDS]
    assert len(KINDS) == len(set(statuses)) == 11
    assert set(statuses) == set(ExitStatus) - {ExitStatus.DONE}


def test_the_error_is_its_first_line() -> None:
    error = InputError("no such file", why="it is gone", hint="look elsewhere")
    assert str(error) == error.what == "no such file"
    assert (error.why, error.hint) == ("it is gone", "look elsewhere")


@pytest.mark.parametrize(
    ("why", "hint", "text"),
    [
        (None, None, "error: it failed"),
        ("", "", "error: it failed"),
        ("because", None, "error: it failed\n  why: because"),
        (None, "again", "error: it failed\n  try: again"),
        (" one\ntwo \n", "-c a\n-c b", "error: it failed\n  why: one\n       two\n  try: -c a\n       -c b"),
    ],
)
def test_render(why: str, hint: str, text: str) -> None:
    assert FreezerError("it failed", why=why, hint=hint).render() == text
