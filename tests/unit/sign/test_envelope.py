"""Envelopes: the vectors of DSSE's specification, and what others make of those that are written here."""

from __future__ import annotations

import base64
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from signing import KINDS, openssl_verifies, public_in, signer_in

from freezer.sign import crypto
from freezer.sign.envelope import IN_TOTO, Damaged, decoded, encoded, parse_envelope, sealed

BODY, KIND = b"hello world", "http://example.com/HelloWorld"
X = 46950820868899156662930047687818585632848591499744589407958293238635476079160
Y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
SECRET = 97358161215184420915383655311931858321456579547487070936769975997791359926199
RAW = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
"""DSSE 1.0.0, protocol.md, "Test Vectors": the signature is r and s, one after the other."""
SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
STATEMENT = b'{"_type":"https://in-toto.io/Statement/v1"}'
VECTORS = (
    (STATEMENT, IN_TOTO, "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA=="),
    (
        b"\xfb\xff\xbf>?",
        IN_TOTO,
        "P-_KHICeR7tI6S_YyejJTRtrXhcQyQ2LYPaL8h90KjC9qN8HU_svOQ6TuDOT1HIrsGW886DbWNWcCmX5twLrAw==",
    ),
    (
        STATEMENT,
        "application/vnd.ex\u00e4mple+json",
        "xmSk/ug66ysT7ayhkCIjhAq42zgZXSsEWuzUaNL7w2eGAdF/NU6/fRXPtmfN+5DNSAs5/i2lUnHjbbjPsu0tAw==",
    ),
    (b"", IN_TOTO, "gSggCAaTLTYyRH6FIDBem6meyIynsYy8RTHVzwx9tnTb7Bg/1jMWnuVgI/gffqmbsC2VX5/jHfkkDqsj7CDbDg=="),
)
"""The test vectors beside it, of RFC 8032's first key: one signature, base64 for URLs, a type that is not ASCII, and an
empty payload."""
ENCODED = (
    b"DSSEv1 28 application/vnd.in-toto+json 43 " + STATEMENT,
    b"DSSEv1 28 application/vnd.in-toto+json 5 \xfb\xff\xbf>?",
    b"DSSEv1 29 application/vnd.ex\xc3\xa4mple+json 43 " + STATEMENT,
    b"DSSEv1 28 application/vnd.in-toto+json 0 ",
)


def of_seed() -> crypto.Signer:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEED))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return crypto.private_key(key.private_bytes(*form), None)


@pytest.mark.parametrize(("vector", "expected"), list(zip(VECTORS, ENCODED)))
def test_the_vectors(vector: tuple[bytes, str, str], expected: bytes) -> None:
    payload, kind, signature = vector
    assert encoded(kind, payload) == expected
    assert of_seed().sign(expected) == decoded(signature)
    document = {"payload": base64.urlsafe_b64encode(payload).decode(), "payloadType": kind}
    envelope = parse_envelope(json.dumps({**document, "signatures": [{"sig": signature, "keyid": "A"}]}).encode())
    assert (envelope.payload, envelope.payload_type) == (payload, kind)
    assert envelope.is_signed_by(of_seed().public)


def test_another_type_is_another_document() -> None:
    payload, _, signature = VECTORS[0]
    document = {"payload": base64.b64encode(payload).decode(), "payloadType": "application/vnd.example.other+json"}
    envelope = parse_envelope(json.dumps({**document, "signatures": [{"sig": signature}]}).encode())
    assert not envelope.is_signed_by(of_seed().public)


def test_the_vector_of_ecdsa() -> None:
    assert encoded(KIND, BODY) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    raw = base64.b64decode(RAW)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicNumbers(X, Y, ec.SECP256R1()).public_key()
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = crypto.public_key(public.public_bytes(*form))
    assert key.verifies(der, encoded(KIND, BODY))
    assert not key.verifies(der, encoded(KIND, BODY + b"x")) and not key.verifies(raw, encoded(KIND, BODY))


def test_ecdsa_is_deterministic_where_it_can_be(tmp_path: Path) -> None:
    private = ec.derive_private_key(SECRET, ec.SECP256R1())
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signer = crypto.private_key(private.private_bytes(*form), None)
    signature = signer.sign(encoded(KIND, BODY))
    assert signer.public.verifies(signature, encoded(KIND, BODY))
    try:
        ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except (TypeError, UnsupportedAlgorithm):
        return  # it is random then
    raw = base64.b64decode(RAW)
    assert signature == encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


@pytest.mark.parametrize("kind", KINDS)
def test_others_read_what_is_written(tmp_path: Path, kind: str) -> None:
    signer = signer_in(tmp_path, kind=kind)
    data = sealed(STATEMENT, IN_TOTO, signer)
    assert data.startswith(b'{"payloadType":"application/vnd.in-toto+json","payload":"') and data.count(b"\n") == 1
    envelope = parse_envelope(data)
    assert (envelope.payload, envelope.payload_type) == (STATEMENT, IN_TOTO)
    assert envelope.is_signed_by(public_in(tmp_path)) and envelope.is_signed_by(signer.public)
    signer_in(tmp_path, "other", kind)
    assert not envelope.is_signed_by(public_in(tmp_path, "other"))
    document = json.loads(data)
    (signature,) = document["signatures"]
    assert openssl_verifies(
        tmp_path / "key.pub", base64.b64decode(signature["sig"]), encoded(IN_TOTO, STATEMENT), tmp_path
    )
    assert not openssl_verifies(tmp_path / "key.pub", base64.b64decode(signature["sig"]), STATEMENT, tmp_path)


def securesystemslib_verifies(tmp_path: Path, kind: str) -> None:
    dsse: Any = importlib.import_module("securesystemslib.dsse")
    keys: Any = importlib.import_module("securesystemslib.signer")
    signer = signer_in(tmp_path, kind=kind)
    public = serialization.load_pem_public_key((tmp_path / "key.pub").read_bytes())
    key = keys.SSlibKey.from_crypto(public, keyid=signer.public.fingerprint)
    data = json.loads(sealed(STATEMENT, IN_TOTO, signer))
    assert dsse.Envelope.from_dict(data).verify([key], 1) == {key.keyid: key}
    data = json.loads(sealed(STATEMENT, IN_TOTO, signer))
    data["payload"] = base64.b64encode(STATEMENT + b" ").decode()
    with pytest.raises(Exception, match="threshold"):
        dsse.Envelope.from_dict(data).verify([key], 1)


if sys.version_info >= (3, 10):  # what securesystemslib needs

    @pytest.mark.parametrize("kind", KINDS)
    def test_securesystemslib_verifies(tmp_path: Path, kind: str) -> None:
        securesystemslib_verifies(tmp_path, kind)


GOOD = {"payloadType": IN_TOTO, "payload": "", "signatures": [{"sig": ""}]}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff", "utf-8"),
        (b"[]", "not a JSON object"),
        (b"[" * 100000, "."),
        (b'{"payload": "", "payload": ""}', "twice"),
        ({"payloadType": IN_TOTO}, "signatures"),
        ({**GOOD, "payloadType": 1}, "no payloadType"),
        ({**GOOD, "payload": None}, "not a string"),
        ({**GOOD, "payload": "###"}, "base64"),
        ({**GOOD, "payload": "YQ"}, "base64"),
        ({**GOOD, "signatures": {}}, "no list"),
        ({**GOOD, "signatures": [1]}, "."),
        ({**GOOD, "signatures": [{}]}, "sig"),
        ({**GOOD, "signatures": [{"sig": "\u00e9"}]}, "base64"),
        ({**GOOD, "signatures": [{"sig": ""}] * 101}, "no list"),
    ],
)
def test_damaged_envelopes(data: Any, reason: str) -> None:
    with pytest.raises(Damaged, match=reason):
        parse_envelope(data if isinstance(data, bytes) else json.dumps(data).encode())


def test_no_signature_is_no_signature(tmp_path: Path) -> None:
    key = signer_in(tmp_path).public
    assert not parse_envelope(json.dumps({**GOOD, "signatures": []}).encode()).is_signed_by(key)
    assert not parse_envelope(json.dumps(GOOD).encode()).is_signed_by(key)
