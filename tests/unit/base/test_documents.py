"""JSON that nobody vouches for: strict where readers differ, and patient where parts are missing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezer.base.oci.documents import object_at, objects_at, parse_document, strings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=8,
)


def test_a_document() -> None:
    assert parse_document('{"a": [1, {"é": null}], "b": {}}'.encode()) == {"a": [1, {"é": None}], "b": {}}


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xff", b'{"a":1,"a":1}', b'[{"b":{"a":1,"a":2}}]', b'{"a":NaN}', b"[Infinity]", b"[-Infinity]", b"x"],
)
def test_no_document(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_document(data)


def test_a_document_that_is_deep() -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse_document(b"[" * 200_000)


def test_parts_that_are_there() -> None:
    document = {"one": {"x": 1}, "many": [{"y": 2}, 3, None, {"z": 4}], "names": ["a", 1]}
    assert object_at(document, "one") == {"x": 1}
    assert objects_at(document, "many") == [{"y": 2}, {"z": 4}]
    assert strings(document["names"]) == ("a", "1")


@given(JSON)
def test_parts_of_anything(value: Any) -> None:
    """Whatever is there, the answer is of the kind that was asked for."""
    assert isinstance(object_at(value, "a"), dict)
    assert all(isinstance(item, dict) for item in objects_at(value, "a"))
    assert all(isinstance(item, str) for item in strings(value))
