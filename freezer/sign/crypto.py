"""The keys themselves, by cryptography (https://cryptography.io). ``keys`` imports this module where a key is needed,
and turns its errors into messages."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"


class Unreadable(Exception):
    """The data is no key, or is of a format that is not known; the text is the reason."""


class Unsupported(Unreadable):
    """cryptography, as it is installed, cannot read this key."""


class OtherKind(Exception):
    """The key is of another kind; the text names it."""


class Encrypted(Exception):
    """The key needs a passphrase, or another one."""


@dataclass(frozen=True)
class PublicKey:
    """A key to verify with. ``fingerprint`` is the SHA-256 of its SubjectPublicKeyInfo in DER, in hexadecimal."""

    key: Union[Ed25519PublicKey, EllipticCurvePublicKey] = field(repr=False, compare=False)
    fingerprint: str

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Return whether a signature is this key's, of this data; one of ECDSA is in DER, and over SHA-256."""
        try:
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signature, data)
            else:
                self.key.verify(signature, data, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """A key to sign with."""

    key: Union[Ed25519PrivateKey, EllipticCurvePrivateKey] = field(repr=False, compare=False)
    public: PublicKey

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some data."""
        return self.key.sign(data) if isinstance(self.key, Ed25519PrivateKey) else self.key.sign(data, _ecdsa())


def _ecdsa() -> ECDSA:
    """Return ECDSA with SHA-256: deterministic (RFC 6979), so that two builds give the same bytes, where the library
    and its OpenSSL are new enough."""
    try:
        return ECDSA(SHA256(), deterministic_signing=True)
    except (TypeError, UnsupportedAlgorithm):
        return ECDSA(SHA256())


def private_key(data: bytes, passphrase: Optional[bytes]) -> Signer:
    """Return the signer of a private key: PKCS#8 or the older formats in PEM, or OpenSSH's.

    Raises Encrypted if it needs a passphrase, or another one; Unreadable; OtherKind.
    """
    of_openssh = data.lstrip().startswith(OPENSSH)
    load: Any = load_ssh_private_key if of_openssh else load_pem_private_key
    try:
        key = load(data, passphrase)
    except TypeError as error:
        raise Encrypted from error
    except UnsupportedAlgorithm as error:
        raise Unsupported(str(error)) from error
    except ValueError as error:
        # A wrong passphrase gives a key that makes no sense; OpenSSH's keys say by this that they have one.
        if passphrase is not None or (of_openssh and "assword" in str(error)):
            raise Encrypted from error
        raise Unreadable(str(error)) from error
    if isinstance(key, (Ed25519PrivateKey, EllipticCurvePrivateKey)):
        return Signer(key, _public(key.public_key()))
    raise OtherKind(_kind(key))


def public_key(data: bytes) -> PublicKey:
    """Return a public key: a SubjectPublicKeyInfo in PEM, or a line of OpenSSH's. Raises Unreadable, OtherKind."""
    try:
        load: Any = load_pem_public_key if b"-----BEGIN" in data else load_ssh_public_key
        return _public(load(data.strip() + b"\n"))
    except UnsupportedAlgorithm as error:
        raise Unsupported(str(error)) from error
    except ValueError as error:
        raise Unreadable(str(error)) from error


def _public(key: Any) -> PublicKey:
    if isinstance(key, Ed25519PublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    ):
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return PublicKey(key, hashlib.sha256(der).hexdigest())
    raise OtherKind(_kind(key))


def _kind(key: Any) -> str:
    """Return a name for the kind of a key: "RSA", "ECDSA on secp384r1"."""
    curve = getattr(key, "curve", None)
    name = type(key).__name__.strip("_").replace("PrivateKey", "").replace("PublicKey", "")
    return f"ECDSA on {curve.name}" if curve is not None else name
