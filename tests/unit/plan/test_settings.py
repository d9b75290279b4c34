"""The table of settings, and the values that it describes."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.base.errors import InputError
from freezer.plan.settings import FILE_ONLY, SETTINGS, ValueKind, split_pair


def test_the_table() -> None:
    names = [setting.name for setting in (*SETTINGS, *FILE_ONLY)]
    assert len(names) == len(set(names))
    assert all(setting.help and not setting.help.endswith(".") for setting in SETTINGS)
    flags = [flag for setting in SETTINGS for flag in setting.flags]
    assert len(flags) == len(set(flags))
    assert all(
        s.metavar
        for s in SETTINGS
        if s.kind in (ValueKind.TEXT, ValueKind.LIST, ValueKind.PATHS, ValueKind.PAIRS) and s.name != "name"
    )


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("a:b", ("a", "b")),
        ("a", ("a", ".")),
        ("a:.", ("a", ".")),
        ("a:b/../c/", ("a", "c")),
        ("/x:y:b", ("/x:y", "b")),
        ("a:b/..", ("a", ".")),
    ],
)
def test_split_pair(text: str, pair: tuple[str, str]) -> None:
    assert split_pair(text) == pair


@pytest.mark.parametrize("text", ["", ":", ":b", "a:", "a:/b", "a:..", "a:../b", "a:b/../../c", "a://b"])
def test_split_pair_refuses(text: str) -> None:
    with pytest.raises(InputError):
        split_pair(text)


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_a_destination_is_always_inside(text: str) -> None:
    result: Any
    try:
        result = split_pair(text)
    except InputError:
        return
    source, destination = result
    assert source
    place = os.path.normpath(os.path.join("/bundle", destination))
    assert place == "/bundle" or place.startswith("/bundle/")


@given(st.text("ab:/.", min_size=1))
def test_nothing_of_the_source_is_lost(text: str) -> None:
    try:
        source, _ = split_pair(text)
    except InputError:
        return
    assert text.startswith(source)
