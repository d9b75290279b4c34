"""Where the passphrase of a key comes from, and that nothing else gets it."""

from __future__ import annotations

import os
import pty
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from signing import KINDS, PASSPHRASE, write_key
from support import wait_until

from freezer.base.errors import InputError
from freezer.base.tools import user_environment
from freezer.plan.signing import Signing
from freezer.sign.passphrase import find_signer

VARIABLE = "FREEZER_SIGN_PASSPHRASE"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "key", KINDS["ed25519"](), "PKCS8", PASSPHRASE)


def test_a_variable(key: Path) -> None:
    """It is gone afterwards, whether it was needed or not."""
    environ = {VARIABLE: PASSPHRASE.decode(), "HOME": "/"}
    assert find_signer(Signing(key=key), environ) is not None
    assert environ == {"HOME": "/"}
    environ = {VARIABLE: "x"}
    assert find_signer(Signing(), environ) is None
    assert environ == {}
    with pytest.raises(InputError, match="is wrong"):
        find_signer(Signing(key=key), {VARIABLE: "wrong"})


def test_no_program_of_a_build_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "x")
    assert VARIABLE not in user_environment()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nmore\n"])
def test_a_file(key: Path, tmp_path: Path, end: str) -> None:
    """Its first line; before the variable."""
    (tmp_path / "pass").write_bytes(PASSPHRASE + end.encode())
    assert find_signer(Signing(key=key, passphrase=tmp_path / "pass"), {VARIABLE: "wrong"}) is not None


def test_a_file_that_is_not_there(key: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the passphrase in .*: No such file"):
        find_signer(Signing(key=key, passphrase=tmp_path / "pass"), {})


def in_terminal(key: Path, typed: bytes) -> tuple[int, bytes]:
    """What a process with a terminal of its own says, and its status."""
    process, terminal = pty.fork()
    if not process:
        code = f"""
from pathlib import Path
from freezer.base.errors import InputError
from freezer.plan.signing import Signing
from freezer.sign.passphrase import find_signer
try:
    print(find_signer(Signing(key=Path({str(key)!r})), {{}}))
except InputError as error:
    print(error)
"""
        os.execv(sys.executable, [sys.executable, "-c", code])
    said = b""
    while b": " not in said:
        said += os.read(terminal, 1000)
    # getpass drops what was typed before it has turned the echo off, after its question.
    wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, "the end of the echo")
    os.write(terminal, typed + b"\n")
    try:
        while data := os.read(terminal, 1000):
            said += data
    except OSError:
        pass  # the terminal's other end is closed
    os.close(terminal)
    return os.waitpid(process, 0)[1], said


def test_a_terminal(key: Path) -> None:
    status, said = in_terminal(key, PASSPHRASE)
    assert status == 0 and b"Signer(public=" in said
    assert f"passphrase for {key}: ".encode() in said and PASSPHRASE not in said
    assert b"is wrong" in in_terminal(key, b"wrong")[1]


def test_no_terminal(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def refuse(path: str, *arguments: Any) -> int:
        if path == "/dev/tty":
            raise OSError(6, "No such device or address", path)
        return opened(path, *arguments)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match="needs a passphrase") as raised:
        find_signer(Signing(key=key), {})
    assert f"--sign-passphrase FILE, or in the variable {VARIABLE}" in str(raised.value.hint)
