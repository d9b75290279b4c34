"""Files of keys: what is wrong with one is said, and what everybody can read signs nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from signing import KINDS, PASSPHRASE, never, write_key

from freezer.base.errors import EnvironmentFailure, InputError
from freezer.sign.keys import read_public, read_signer


def answering(passphrase: bytes) -> Callable[[Path], bytes]:
    return lambda _path: passphrase


@pytest.mark.parametrize("form", ["PKCS8", "OpenSSH"])
def test_a_passphrase_is_asked_for_where_there_is_one(tmp_path: Path, form: str) -> None:
    plain = write_key(tmp_path / "plain", KINDS["ed25519"](), form)
    assert read_signer(plain, never).public == read_signer(plain, never).public
    locked = write_key(tmp_path / "locked", KINDS["ed25519"](), form, PASSPHRASE)
    asked: list[Path] = []

    def ask(path: Path) -> bytes:
        asked.append(path)
        return PASSPHRASE

    signer = read_signer(locked, ask)
    assert asked == [locked]
    assert read_public(tmp_path / "locked.pub").verifies(signer.sign(b"x"), b"x")
    for wrong in (b"wrong", b""):
        with pytest.raises(InputError, match=r"the passphrase for .*locked is wrong"):
            read_signer(locked, answering(wrong))


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o601, 0o777])
def test_a_key_that_everybody_can_use(tmp_path: Path, mode: int) -> None:
    path = write_key(tmp_path / "key", KINDS["ed25519"](), mode=mode)
    with pytest.raises(InputError, match="everybody on this system can use the key") as raised:
        read_signer(path, never)
    assert f"its mode is {mode:04o}" in str(raised.value.why)
    assert f"chmod 600 {path}" in str(raised.value.hint)
    # With a passphrase, reading it is not enough.
    path = write_key(tmp_path / "locked", KINDS["ed25519"](), "PKCS8", PASSPHRASE, mode=mode)
    read_signer(path, lambda _path: PASSPHRASE)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o660])
def test_a_key_of_the_user_or_a_group(tmp_path: Path, mode: int) -> None:
    read_signer(write_key(tmp_path / "key", KINDS["p256"](), mode=mode), never)


def test_a_key_from_a_pipe(tmp_path: Path) -> None:
    """As of ``<(pass show key)``: there is no file that others could read."""
    data = write_key(tmp_path / "key", KINDS["ed25519"]()).read_bytes()
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        pipe.write(data)
    signer = read_signer(Path(f"/dev/fd/{reading}"), never)
    os.close(reading)
    assert signer.public == read_signer(tmp_path / "key", never).public


def test_what_is_no_key(tmp_path: Path) -> None:
    for read in (lambda path: read_signer(path, never), read_public):
        with pytest.raises(InputError, match=r"cannot read the key .*: No such file"):
            read(tmp_path / "missing")
        with pytest.raises(InputError, match=r"cannot read the key .*: Is a directory"):
            read(tmp_path)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match=r"cannot read the key .*: it is not a regular file"):
            read(tmp_path / "pipe")
        (tmp_path / "pipe").unlink()
        (tmp_path / "text").write_text("not a key")
        with pytest.raises(InputError, match="that freezer can read"):
            read(tmp_path / "text")
        (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
        with pytest.raises(InputError, match="is not a key"):
            read(tmp_path / "large")


def test_what_is_not_for_this(tmp_path: Path) -> None:
    path = write_key(tmp_path / "rsa", rsa.generate_private_key(65537, 2048))
    with pytest.raises(InputError, match="a key of another kind: RSA"):
        read_signer(path, never)
    with pytest.raises(InputError, match="a key of another kind: RSA"):
        read_public(tmp_path / "rsa.pub")
    with pytest.raises(InputError, match="is a private key"):
        read_public(path)
    with pytest.raises(InputError, match="no private key that freezer can read"):
        read_signer(tmp_path / "rsa.pub", never)
    (tmp_path / "cosign.key").write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nx\n")
    with pytest.raises(InputError, match="cosign's own format"):
        read_signer(tmp_path / "cosign.key", never)


def test_without_cryptography(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_key(tmp_path / "key", KINDS["ed25519"]())
    monkeypatch.setitem(sys.modules, "freezer.sign.crypto", None)
    monkeypatch.delattr("freezer.sign.crypto", raising=False)
    for read in (lambda: read_signer(path, never), lambda: read_public(tmp_path / "key.pub")):
        with pytest.raises(EnvironmentFailure, match="need the package cryptography") as raised:
            read()
        assert "static-freezer[sign]" in str(raised.value.hint)
