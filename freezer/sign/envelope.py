"""Envelopes: a statement with its signatures, as DSSE 1.0 has them (https://github.com/secure-systems-lab/dsse).

What is signed is the payload with its type, so that none is taken for another kind of document. The name of a key in
an envelope is a hint that nothing relies on: every signature is tried with the one key that counts.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from freezer.base.oci.documents import parse_document

if TYPE_CHECKING:
    from freezer.sign.crypto import PublicKey, Signer

IN_TOTO = "application/vnd.in-toto+json"
"""The type of statements."""
MAX_SIGNATURES = 100


class Damaged(Exception):
    """A document of a signature that is not one; the text is the reason."""


@dataclass(frozen=True)
class Envelope:
    """A payload, its type, and its signatures."""

    payload: bytes
    payload_type: str
    signatures: tuple[bytes, ...]

    def is_signed_by(self, key: PublicKey) -> bool:
        """Return whether one of the signatures is the key's."""
        data = encoded(self.payload_type, self.payload)
        return any(key.verifies(signature, data) for signature in self.signatures)


def encoded(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed of a payload: the pre-authentication encoding."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sealed(payload: bytes, payload_type: str, signer: Signer) -> bytes:
    """Return the envelope of a payload, signed, as one line of JSON."""
    signature = signer.sign(encoded(payload_type, payload))
    document = {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": signer.public.fingerprint, "sig": base64.b64encode(signature).decode()}],
    }
    # The type first: by this beginning freezer knows its own results.
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def parse_envelope(data: bytes) -> Envelope:
    """Read an envelope. Raises Damaged."""
    try:
        document = parse_document(data)
        if not isinstance(document, dict):
            raise Damaged("it is not a JSON object")
        kind, listed = document["payloadType"], document["signatures"]
        if not isinstance(kind, str) or not isinstance(listed, list) or len(listed) > MAX_SIGNATURES:
            raise Damaged("it has no payloadType, or no list of signatures")
        return Envelope(decoded(document["payload"]), kind, tuple(decoded(item["sig"]) for item in listed))
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise Damaged(reason or type(error).__name__) from error


def decoded(text: Any) -> bytes:
    """Return the bytes of base64 of either alphabet (RFC 4648), as DSSE wants it. Raises Damaged."""
    if not isinstance(text, str):
        raise Damaged("a member that is base64 is not a string")
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (ValueError, binascii.Error) as error:
        raise Damaged(f"its base64 is wrong: {error}") from error
