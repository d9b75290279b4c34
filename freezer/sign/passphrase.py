"""The passphrase of a private key: from a file, from a variable, or from the terminal, in this order."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from freezer.base.errors import InputError
from freezer.base.streams import read_small
from freezer.base.tools import PASSPHRASE
from freezer.plan.signing import Signing

if TYPE_CHECKING:
    from freezer.sign.crypto import Signer

LARGEST = 4096


def find_signer(signing: Signing, environ: MutableMapping[str, str]) -> Optional[Signer]:
    """Return the signer that the settings name; None if they name none. The passphrase is taken out of ``environ``:
    what a build runs has no use for it.

    Raises as ``read_signer`` does, and InputError if there is no passphrase to be had.
    """
    given = environ.pop(PASSPHRASE, None)
    if signing.key is None:
        return None
    from freezer.sign.keys import read_signer

    def ask(key: Path) -> bytes:
        if signing.passphrase is not None:
            return _of_file(signing.passphrase)
        return given.encode("utf-8", "surrogateescape") if given is not None else _of_terminal(key)

    return read_signer(signing.key, ask)


def _of_file(path: Path) -> bytes:
    """Return the first line of a file."""
    try:
        return read_small(path, LARGEST)[0].partition(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise InputError(f"cannot read the passphrase in {path}: {error.strerror}") from error


def _of_terminal(key: Path) -> bytes:
    import getpass

    try:
        # getpass would ask on standard error, and show what is typed, where there is no terminal.
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        return getpass.getpass(f"passphrase for {key}: ").encode("utf-8", "surrogateescape")
    except (OSError, EOFError) as error:
        raise InputError(
            f"the key {key} needs a passphrase",
            why="there is no terminal to ask for it",
            hint=f"give it in a file, --sign-passphrase FILE, or in the variable {PASSPHRASE}",
        ) from error
