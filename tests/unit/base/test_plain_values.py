"""Values that JSON can state, and nothing but the classes that are listed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer.base.plain_values import PlainValues


@dataclass(frozen=True)
class Inner:
    path: Path
    names: tuple[str, ...]


@dataclass(frozen=True)
class Outer:
    inner: Inner
    found: frozenset[str]
    places: Mapping[str, Path]
    by_path: Mapping[Path, Path]
    other: Optional[Inner]
    number: float


VALUE = Outer(
    Inner(Path("/work/a b/c"), ("x", "@y")),
    frozenset({"b", "a"}),
    {"lib": Path("/usr/lib"), "top": Path("/work")},
    {Path("/work/x"): Path("/worker/x")},
    None,
    1.5,
)


def values(place: str, *classes: type[Any]) -> PlainValues:
    return PlainValues(classes or (Inner, Outer), {"work": Path(place)})


def test_what_is_stated_comes_back() -> None:
    plain = json.loads(json.dumps(values("/work").plain(VALUE)))
    assert values("/work").value(plain) == VALUE
    assert plain["fields"]["found"] == {"set": ["a", "b"]}


def test_what_is_below_a_place_moves_with_it() -> None:
    plain = values("/work").plain(VALUE)
    assert "/work/" not in json.dumps(plain)
    moved: Outer = values("/elsewhere").value(plain)
    assert moved.inner.path == Path("/elsewhere/a b/c")
    assert moved.places == {"lib": Path("/usr/lib"), "top": Path("/elsewhere")}
    assert moved.by_path == {Path("/elsewhere/x"): Path("/worker/x")}
    assert moved.inner.names == ("x", "@y")


@pytest.mark.parametrize("value", [object(), b"bytes", ["list"], {1, 2}])
def test_other_types_are_not_stated(value: object) -> None:
    with pytest.raises(TypeError):
        values("/work").plain(value)


@pytest.mark.parametrize(
    "plain",
    [
        {"class": "Popen", "fields": {}},
        {"class": "Inner", "fields": {"path": 1}},
        {"class": "Inner"},
        {"path": "@other/x"},
        {"path": 3},
        {},
    ],
)
def test_nothing_else_is_made(plain: object) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        values("/work").value(plain)


def test_a_class_that_is_not_listed_is_not_stated() -> None:
    with pytest.raises(TypeError, match="Inner"):
        values("/work", Outer).plain(VALUE)
