"""Leave out modules of the standard library that stand in for compiled ones, where these are in the bundle.

``decimal`` imports ``_decimal``, and only if that is not there ``_pydecimal``, which is as large as eighty other
modules. Whoever else names such a module gets it, as any other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyinstaller_internals as internals

STAND_INS = {"_pydecimal": ("decimal", "_decimal"), "_pydatetime": ("datetime", "_datetime")}
"""The modules, each with the only one that uses it, and the compiled one that it stands in for."""


def leave_out(analysis: internals.Analysis) -> None:
    """Take the modules that are not needed out of the list of modules, in place."""
    found = frozenset(_not_needed(analysis))
    analysis.pure[:] = [entry for entry in analysis.pure if entry[0] not in found]


def _not_needed(analysis: internals.Analysis) -> Iterator[str]:
    compiled = {os.path.basename(entry[0]).partition(".")[0] for entry in analysis.binaries} | set(builtins())
    for name, (user, other) in STAND_INS.items():
        if other in compiled and {importer for importer, _ in analysis.graph.get_importers(name)} <= {user, name}:
            yield name


def builtins() -> Iterable[str]:
    """Return the modules that this Python, which is the application's, has built in."""
    return sys.builtin_module_names
