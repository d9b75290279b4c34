"""``python -m freezer`` is the same as ``freezer``."""

from __future__ import annotations

import sys

from freezer.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
