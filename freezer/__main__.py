"""``python -m freezer`` is the same as ``freezer``."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Python has put the current directory first, which is the application's more often than not: a queue.py there must
    # not be imported in place of Python's own, now or later. The package itself is found already.
    if sys.path and sys.path[0] in ("", os.getcwd()) and not getattr(sys.flags, "safe_path", False):
        del sys.path[0]

    from freezer.cli.main import main

    sys.exit(main())
