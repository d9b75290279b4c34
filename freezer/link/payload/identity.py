"""The identity of a stream: its BLAKE2b digest, which can be left at some place and taken up there by a later build.

Those of ``hashlib`` cannot. The library is the launcher's own digest (freezer/link/launcher/blake2b.h), whose whole
state is the structure ``blake2b`` there.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
from typing import Optional

from freezer.link.launcher import filter_path

IDENTITY = b"freezer app 1"
"""Distinguishes identities from other digests (RFC 7693, personalisation); changes with the meaning of an entry."""
DIGEST_SIZE = 32
PERSONAL = 16
"""Bytes of the personalisation, which the last words of the first state contain."""


class _State(ctypes.Structure):
    _fields_ = (
        ("state", ctypes.c_uint64 * 8),
        ("count", ctypes.c_uint64),
        ("used", ctypes.c_size_t),
        ("block", ctypes.c_uint8 * 128),
    )


STATE_SIZE = ctypes.sizeof(_State)


def new_identity() -> hashlib.blake2b:
    """Return the digest of an empty stream, for those that are read from their beginning."""
    return hashlib.blake2b(digest_size=DIGEST_SIZE, person=IDENTITY)


class Identity:
    """The digest of a stream, from its beginning or from the ``state`` of one that is known up to some place. Raises
    EnvironmentFailure if this installation of freezer has no compiled library."""

    def __init__(self, state: Optional[bytes] = None) -> None:
        self._library = _library()
        if state is not None:
            self._state = _State.from_buffer_copy(state)
            return
        self._state = _State()
        self._library.blake2b_start(ctypes.byref(self._state))
        person = IDENTITY.ljust(PERSONAL, b"\0")
        self._state.state[6] ^= int.from_bytes(person[:8], "little")
        self._state.state[7] ^= int.from_bytes(person[8:], "little")

    def update(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._library.blake2b_add(ctypes.byref(self._state), data, len(data))

    def state(self) -> bytes:
        """Return what another one takes up the digest with; STATE_SIZE bytes."""
        return bytes(self._state)

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""
        last = _State.from_buffer_copy(self._state)
        found = ctypes.create_string_buffer(DIGEST_SIZE)
        self._library.blake2b_end(ctypes.byref(last), found)
        return found.raw


@functools.cache
def _library() -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(filter_path()))
    pointer = ctypes.c_void_p
    for name, arguments in (
        ("blake2b_start", [pointer]),
        ("blake2b_add", [pointer, ctypes.c_char_p, ctypes.c_size_t]),
        ("blake2b_end", [pointer, ctypes.c_char_p]),
    ):
        function = getattr(loaded, name)
        function.restype, function.argtypes = None, arguments
    return loaded
