"""Scans Python's own modules before any application is analysed.

What an analysis finds in each source is kept by its content (``content_memory``), and most of what a first analysis
reads are modules of the standard library. Nothing here decides a result: what is not scanned here is scanned later.
"""

from __future__ import annotations

import sys

import content_memory
import modulegraph_internals
import pyinstaller_internals as internals
import standard_modules

RARE = frozenset(
    "__phello__ antigravity ensurepip idlelib lib2to3 pydoc pydoc_data test this tkinter turtle turtledemo venv".split()
)
"""Packages and modules that hardly any application imports, or that are large and never started in one."""


def main() -> None:
    """Scan; the argument is the directory in which analyses keep what they find."""
    memory = content_memory.ContentMemory(sys.argv[1], internals.version())
    modulegraph_internals.list_base_packages()
    modulegraph_internals.remember_scans(memory)
    modulegraph_internals.scan(sorted(standard_modules.standard_names() - RARE))


if __name__ == "__main__":
    main()
