"""The digest that can be left and taken up again: the one of hashlib, whatever the pieces are."""

from __future__ import annotations

import hashlib

import pytest

from freezer.link.payload.identity import IDENTITY, STATE_SIZE, Identity, new_identity

CONTENT = bytes(range(251)) * 20


def expected(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=32, person=IDENTITY).digest()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 255, 256, 257, 5000])
def test_the_digest_is_that_of_hashlib(size: int) -> None:
    content = CONTENT[:size]
    plain, own = new_identity(), Identity()
    plain.update(content)
    own.update(content)
    assert plain.digest() == own.digest() == own.digest() == expected(content)


@pytest.mark.parametrize("place", [0, 1, 128, 200, 256, 1000])
def test_it_is_taken_up_where_it_was_left(place: int) -> None:
    first = Identity()
    first.update(CONTENT[:place])
    state = first.state()
    assert len(state) == STATE_SIZE
    for _ in range(2):
        again = Identity(state)
        again.update(CONTENT[place : place + 3])
        again.update(CONTENT[place + 3 :])
        assert again.digest() == expected(CONTENT)
    assert first.digest() == expected(CONTENT[:place])


def test_a_state_of_another_size_is_none() -> None:
    with pytest.raises(ValueError, match="Buffer size"):
        Identity(b"short")
