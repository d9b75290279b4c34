"""Notices whether an analysis has run the application's own code.

PyInstaller's hooks may import modules in processes of their own, and look at what is in them: that of Django does so
with an application's settings. What such an analysis finds does not depend on the shapes of the sources alone. Those
processes begin with ``start_with_toolchain``, which calls ``notice`` there.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterable

VARIABLE = "FREEZER_OWN_SOURCES"
"""As in ``start_with_toolchain``. It tells those processes the file with the list of the application's own sources, and
the file to make if one of them is read; as JSON."""


def watch(sources: Iterable[str], folder: str) -> None:
    """Have the processes that start from now on notice whether they read one of the sources; ``folder`` is a directory
    for the lists."""
    files = {os.path.abspath(path) for path in sources if path.endswith(".py")}
    compiled = {importlib.util.cache_from_source(path, optimization=level) for path in files for level in ("", 1, 2)}
    listed, mark = os.path.join(folder, "own_sources.json"), os.path.join(folder, "own_sources_run")
    with open(listed, "w", encoding="utf-8") as out:
        json.dump(sorted(files | compiled), out)
    os.environ[VARIABLE] = json.dumps([listed, mark])


def notice() -> None:
    """Make the mark as soon as this process reads one of the sources, if it was started to notice that."""
    if VARIABLE not in os.environ:
        return
    listed, mark = json.loads(os.environ[VARIABLE])
    with open(listed, encoding="utf-8") as file:
        sources = frozenset(json.load(file))

    def look(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[0] in sources:
            with contextlib.suppress(OSError):
                os.close(os.open(mark, os.O_WRONLY | os.O_CREAT, 0o600))

    sys.addaudithook(look)


def have_run() -> bool:
    """Whether one of the processes has read one."""
    return VARIABLE in os.environ and os.path.exists(json.loads(os.environ[VARIABLE])[1])
