"""Starts the notes in every process of a learning run: Python's module ``site`` imports this, as the directory that it
is in comes first in PYTHONPATH, which child processes inherit.

The directory leaves ``sys.path`` again, and the environment's own ``sitecustomize`` is imported, if it has one.
"""

import os
import sys


def _start() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    # What is loaded must not find this directory, but for the notes themselves.
    import _freezer_watch

    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != here]
    sys.path_importer_cache.pop(here, None)
    # Programs that only the command needs: what the environment has comes first.
    tools = os.path.join(os.path.dirname(here), "tools")
    if os.path.isdir(tools):
        sys.path.append(tools)
    this = sys.modules.pop("sitecustomize", None)
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        # The import system expects the module that it is importing under its name.
        if this is not None:
            sys.modules.setdefault("sitecustomize", this)
    _freezer_watch.start(os.path.join(os.path.dirname(here), "notes"))


_start()
