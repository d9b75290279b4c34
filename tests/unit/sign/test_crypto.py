"""The keys that cryptography reads: what is signed by one is verified by its public half, and by no other."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from signing import KINDS, PASSPHRASE, write_key
from support import need_program

from freezer.sign.crypto import Encrypted, OtherKind, Unreadable, private_key, public_key


@pytest.mark.parametrize("passphrase", [b"", PASSPHRASE])
@pytest.mark.parametrize("form", ["PKCS8", "OpenSSH", "TraditionalOpenSSL"])
@pytest.mark.parametrize("kind", KINDS)
def test_formats(tmp_path: Path, kind: str, form: str, passphrase: bytes) -> None:
    if form == "TraditionalOpenSSL" and kind == "ed25519":
        with pytest.raises(ValueError):
            write_key(tmp_path / "key", KINDS[kind](), form, passphrase)
        return
    path = write_key(tmp_path / "key", KINDS[kind](), form, passphrase)
    data = path.read_bytes()
    if passphrase:
        for wrong in (None, b"", b"wrong"):
            with pytest.raises(Encrypted):
                private_key(data, wrong)
    signer, public = private_key(data, passphrase or None), public_key((tmp_path / "key.pub").read_bytes())
    assert signer.public.fingerprint == public.fingerprint
    signature = signer.sign(b"data")
    assert public.verifies(signature, b"data")
    assert not public.verifies(signature, b"date") and not public.verifies(signature[:-1], b"data")
    assert not public.verifies(b"", b"data")
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    assert not public.verifies(flipped, b"data")
    assert not private_key(write_key(tmp_path / "other", KINDS[kind]()).read_bytes(), None).public.verifies(
        signature, b"data"
    )


def test_the_fingerprint_is_what_openssl_prints(tmp_path: Path) -> None:
    path = write_key(tmp_path / "key", KINDS["p256"]())
    words = [need_program("openssl"), "pkey", "-pubin", "-in", f"{path}.pub", "-outform", "DER"]
    der = subprocess.run(words, capture_output=True, check=True).stdout
    assert public_key(path.with_name("key.pub").read_bytes()).fingerprint == hashlib.sha256(der).hexdigest()


def test_keys_of_other_kinds(tmp_path: Path) -> None:
    for key, name in (
        (rsa.generate_private_key(65537, 2048), "RSA"),
        (ec.generate_private_key(ec.SECP384R1()), "ECDSA on secp384r1"),
        (dsa.generate_private_key(1024), "DSA"),
        (ed448.Ed448PrivateKey.generate(), "Ed448"),
    ):
        path = write_key(tmp_path / "key", key)
        with pytest.raises(OtherKind, match=name):
            private_key(path.read_bytes(), None)
        with pytest.raises(OtherKind, match=name):
            public_key(path.with_name("key.pub").read_bytes())


@pytest.mark.parametrize("data", [b"", b"text", b"\0" * 100, b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END X-----\n"])
def test_no_keys(data: bytes) -> None:
    with pytest.raises(Unreadable):
        private_key(data, None)
    with pytest.raises(Unreadable):
        public_key(data)


def test_nothing_shows_a_private_key(tmp_path: Path) -> None:
    path = write_key(tmp_path / "key", KINDS["ed25519"]())
    signer = private_key(path.read_bytes(), None)
    assert repr(signer) == f"Signer(public=PublicKey(fingerprint='{signer.public.fingerprint}'))"
