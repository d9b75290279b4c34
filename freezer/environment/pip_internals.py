"""pip's internals that freezer relies on, all of them; its options and ``pip config list`` are a documented interface.

Each has a test in tests/unit/environment/test_pip_internals.py that says what would break.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

COMPILER = r"[\w-]*(?:cc|\+\+|clang)'"
NO_COMPILER = re.compile(f"No such file or directory: '{COMPILER}|'{COMPILER} failed: No such file or directory")
"""What pip shows of a build backend (setuptools) that finds no compiler."""
RUNNER = "__pip-runner__.py"
"""What pip starts itself with under another Python: it makes pip importable, and nothing that lies beside it."""


def own_package() -> Path:
    """The package of the pip that is installed with freezer, which runs from wherever it lies."""
    found = importlib.util.find_spec("pip")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent


def supported_pythons() -> str:
    """The versions of Python that it runs under, as a specifier."""
    import importlib.metadata

    return importlib.metadata.metadata("pip")["Requires-Python"]
