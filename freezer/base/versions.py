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
from collections.abc import Iterable
from typing import Optional

SUFFIX = ".dist-info"
INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)" + re.escape(SUFFIX))


def installed_versions(names: Iterable[str]) -> dict[str, Optional[str]]:
    """Return the version of each distribution, None for one that is not installed, by one look at all directories."""
    wanted = {_normal(name): name for name in names}
    found: dict[str, str] = {}
    for place in sys.path:
        with contextlib.suppress(OSError):
            for item in os.listdir(place or "."):
                match = INFO.fullmatch(item) if item.endswith(SUFFIX) else None
                name = wanted.get(_normal(match["name"])) if match is not None else None
                if match is not None and name is not None:
                    found.setdefault(name, match["version"])
    return {name: found.get(name) or _by_metadata(name) for name in wanted.values()}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _by_metadata(name: str) -> Optional[str]:
    """Return the version of a distribution that is installed in another way, as some systems' packages are."""
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
