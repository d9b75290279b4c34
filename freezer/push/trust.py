"""What a push trusts: the system's certificates, those that engines keep for one registry, and those that are named."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

from freezer.base.errors import InputError

SYSTEM_FOLDERS = ("/etc/containers/certs.d", "/etc/docker/certs.d")


def make_context(registry: str, named: Sequence[Path], home: Optional[Path]) -> ssl.SSLContext:
    """Return the settings of TLS for a push. Certificates of a registry are in a directory of its name, as
    containers-certs.d(5) and docker have them.

    Raises InputError for a file that cannot be read, or has no certificate.
    """
    context = ssl.create_default_context()
    places = ssl.get_default_verify_paths()
    if places.cafile is None and places.capath is None:
        # A Python that was built elsewhere looks where this system has nothing.
        import certifi

        context.load_verify_locations(certifi.where())
    for path in [*named, *_kept(registry, home, ".crt")]:
        try:
            context.load_verify_locations(path)
        except (OSError, ValueError) as error:
            raise _bad(path, "a certificate in PEM", error) from error
    for path in _kept(registry, home, ".cert"):
        try:
            context.load_cert_chain(path, path.with_suffix(".key"))
        except (OSError, ValueError) as error:
            raise _bad(path, "a client's certificate in PEM, with its .key beside it", error) from error
    return context


def _kept(registry: str, home: Optional[Path], suffix: str) -> Iterator[Path]:
    folders = [Path(folder) for folder in SYSTEM_FOLDERS]
    if home is not None and home.is_absolute():
        folders.insert(0, home / ".config/containers/certs.d")
    for folder in folders:
        place = folder / registry
        try:
            names = sorted(os.listdir(place))
        except OSError:
            continue
        yield from (place / name for name in names if name.endswith(suffix))


def _bad(path: Path, what: str, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(f"{path} is not {what}", why=reason)
