"""Keys in files: the private one that signs, and the public one that verifies.

Both are of Ed25519, or of ECDSA on the curve P-256. A private key without a passphrase that everybody can read signs
nothing: whoever uses it would not be known by it.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from freezer.base.errors import EnvironmentFailure, InputError
from freezer.base.streams import read_small

if TYPE_CHECKING:
    from freezer.sign.crypto import PublicKey, Signer

LARGEST = 1 << 20
"""Bytes of a file with a key."""
MAKE = "openssl genpkey -algorithm ed25519 -out sign.pem, or ssh-keygen -t ed25519 -f sign"
KINDS = "freezer signs with Ed25519, and with ECDSA on the curve P-256"
COSIGN = (b"ENCRYPTED SIGSTORE PRIVATE KEY", b"ENCRYPTED COSIGN PRIVATE KEY")

Ask = Callable[[Path], bytes]
"""Gives the passphrase of a key's file. Raises InputError if there is none to be had."""


def read_signer(path: Path, ask: Ask) -> Signer:
    """Return the signer of the private key in a file; ``ask`` is called if it has a passphrase.

    Raises InputError for a file that has no such key, and for one without a passphrase that everybody can read or
    change; EnvironmentFailure without cryptography.
    """
    crypto = _crypto()
    data, mode = _read(path)
    if any(mark in data for mark in COSIGN):
        raise InputError(
            f"{path} has a private key in cosign's own format",
            why="it is encrypted in a way that only cosign reads",
            hint=f"make one in a format that others read: {MAKE}",
        )
    try:
        try:
            signer: Signer = crypto.private_key(data, None)
        except crypto.Encrypted:
            signer = crypto.private_key(data, ask(path))
        else:
            _check_mode(path, mode)
    except crypto.Encrypted as error:
        raise InputError(f"the passphrase for {path} is wrong", why="the key cannot be decrypted with it") from error
    except crypto.Unsupported as error:
        add = "pip install 'static-freezer[sign]'" if "bcrypt" in str(error) else f"make another one: {MAKE}"
        raise InputError(f"cannot read the private key in {path}", why=str(error), hint=add) from error
    except crypto.Unreadable as error:
        raise InputError(
            f"{path} has no private key that freezer can read",
            why=f"it is neither PKCS#8 in PEM nor in OpenSSH's format: {error}",
            hint=f"make one: {MAKE}",
        ) from error
    except crypto.OtherKind as error:
        raise _other_kind(path, error) from error
    return signer


def read_public(path: Path) -> PublicKey:
    """Return the public key in a file. Raises InputError if there is none, EnvironmentFailure without cryptography."""
    crypto = _crypto()
    data, _ = _read(path)
    if b"PRIVATE KEY-----" in data:
        raise InputError(
            f"{path} is a private key",
            why="signatures are verified with the public one",
            hint=f"openssl pkey -in {path} -pubout writes that; for OpenSSH's format, ssh-keygen -y -f {path}",
        )
    try:
        found: PublicKey = crypto.public_key(data)
    except crypto.Unreadable as error:
        raise InputError(
            f"{path} has no public key that freezer can read",
            why=f"it is neither a PUBLIC KEY in PEM nor a line of OpenSSH's: {error}",
            hint="for a private key in PEM, openssl pkey -in KEY -pubout writes it; OpenSSH's is beside it, in KEY.pub",
        ) from error
    except crypto.OtherKind as error:
        raise _other_kind(path, error) from error
    return found


def _check_mode(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode) and mode & 0o007:
        raise InputError(
            f"everybody on this system can use the key in {path}",
            why=f"its mode is {stat.S_IMODE(mode):04o}, and it has no passphrase",
            hint=f"chmod 600 {path}; if others may have read it, make a new one",
        )


def _other_kind(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} has a key of another kind: {error}", why=KINDS, hint=f"make one: {MAKE}")


def _read(path: Path) -> tuple[bytes, int]:
    """Return the content of a key's file and its mode. Raises InputError."""
    try:
        data, mode = read_small(path, LARGEST)
    except OSError as error:
        raise InputError(f"cannot read the key {path}: {error.strerror}", hint=f"to make one: {MAKE}") from error
    if len(data) > LARGEST:
        raise InputError(f"{path} is not a key", why=f"it is larger than {LARGEST} bytes")
    return data, mode


def _crypto() -> ModuleType:
    """Return the module that uses cryptography. Raises EnvironmentFailure if that is not installed."""
    try:
        from freezer.sign import crypto
    except ImportError as error:
        raise EnvironmentFailure(
            "signing and verifying need the package cryptography",
            why=str(error),
            hint="pip install 'static-freezer[sign]', where freezer is installed",
        ) from error
    return crypto
