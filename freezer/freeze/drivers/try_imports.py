"""Runs under the Python of the build environment: which modules can be imported that PyInstaller has not found.

Some packages put other modules into ``sys.modules`` under names of their own, such as ``collections`` since Python 3.13
and ``six``: no file has these names. Reads a request on stdin, prints the names that can be imported, as JSON. What the
modules print themselves is passed over, and they end with this process.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freeze_messages import ImportRequest


def importable(names: list[str]) -> list[str]:
    """Return those of the names that can be imported."""
    found = []
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException:  # whatever a module does when it cannot be imported, such as leaving
            continue
        found.append(name)
    return found


def main() -> None:
    """Answer the request; what is imported gets no stream of it."""
    request: ImportRequest = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path[:0] = request["search"]
    json.dump(importable(request["names"]), answer)
    answer.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
