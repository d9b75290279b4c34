"""The versions of distributions beside freezer.

``importlib.metadata`` parses a distribution's whole metadata for that, and takes longer to be imported than a build in
which nothing has changed; the version is in the name of the directory that an installer has made
(https://packaging.python.org/en/latest/specifications/recording-installed-packages/).
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import Optional

INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)\.dist-info")


def installed_version(name: str) -> Optional[str]:
    """Return the version of an installed distribution; None if it is not installed."""
    wanted = re.sub(r"[-_.]+", "_", name).lower()
    for place in sys.path:
        with contextlib.suppress(OSError):
            for item in os.listdir(place or "."):
                match = INFO.fullmatch(item) if item.lower().startswith(wanted[:1]) else None
                if match is not None and re.sub(r"[-_.]+", "_", match["name"]).lower() == wanted:
                    return match["version"]
    return _by_metadata(name)


def _by_metadata(name: str) -> Optional[str]:
    """Return the version of a distribution that is installed in another way, as some systems' packages are."""
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
