"""Values of settings: paths relative to what names them, and pairs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.base.errors import InputError
from freezer.plan.settings import RUN_SETTINGS, SETTINGS
from freezer.plan.values import anchored, split_pair

BY_NAME = {setting.name: setting for setting in SETTINGS}


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("output", "x", "/base/x"),
        ("output", "-", "-"),
        ("requirement", ["a", "/b"], ["/base/a", "/b"]),
        ("add-data", ["a:b", ":b"], ["/base/a:b", ":b"]),
        ("python", "3.12", "3.12"),
        ("python", "venv/bin/python", "/base/venv/bin/python"),
        ("chroot", "root", "/base/root"),
        ("chroot", "debian:bookworm", "debian:bookworm"),
        ("smoke-stdin", "@in.txt", "@/base/in.txt"),
        ("smoke-stdin", "~/text", "~/text"),
        ("smoke-expect", ["~/text"], ["~/text"]),
        ("smoke", [{"args": "a/b", "stdin": "@in.txt"}], [{"args": "a/b", "stdin": "@/base/in.txt"}]),
    ],
)
def test_anchored(name: str, value: Any, wanted: Any) -> None:
    assert anchored(BY_NAME[name], value, Path("/base")) == wanted


def test_a_home_is_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert anchored(BY_NAME["python"], "~/python", Path("/base")) == "/home/ada/python"
    assert anchored(RUN_SETTINGS["stdin"], "@~/in.txt", Path("/base")) == "@/home/ada/in.txt"


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
