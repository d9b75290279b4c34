"""The RECORD of each distribution in the bundle, true for the bundle.

``importlib.metadata.files`` reads it. What an installer has written names files that are not there, and has the hashes
of programs with paths of the build environment in them; the one written here names what has come along, without
hashes: libraries are changed for the bundle, and modules are no files in it.
"""

from __future__ import annotations

import os
from typing import Optional

import pyinstaller_internals as internals
from installed import Distribution, Inventory, names_of_files

RECORD = "RECORD"


def add_records(analysis: internals.Analysis, inventory: Inventory, folder: str) -> None:
    """Add a RECORD, written below ``folder``, for each distribution whose description is in the bundle."""
    places = {place for place, _, _ in [*analysis.datas, *analysis.binaries]}
    sources = {path for _, path, _ in analysis.pure if path}
    for distribution in inventory.distributions.values():
        info = _info_folder(distribution)
        if info is None or os.path.join(info, "METADATA") not in places:
            continue
        names = [
            name
            for name in names_of_files(distribution)
            if name in places or str(distribution.locate_file(name)) in sources
        ]
        target = os.path.join(folder, info, RECORD)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        text = "".join("%s,,\n" % _quoted(name) for name in sorted({*names, os.path.join(info, RECORD)}))
        with open(target, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        analysis.datas.append((os.path.join(info, RECORD), target, "DATA"))


def _info_folder(distribution: Distribution) -> Optional[str]:
    """The directory with a distribution's description, below where it is installed."""
    for name in names_of_files(distribution):
        folder, _, file = name.partition("/")
        if file == "METADATA" and folder.endswith(".dist-info"):
            return folder
    return None


def _quoted(name: str) -> str:
    """A field of CSV."""
    return '"%s"' % name.replace('"', '""') if set(name) & set(',"\n') else name
