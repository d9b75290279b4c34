"""Run a program of freezer's: ``python -I -S THIS_FILE MODULE ARGUMENT...`` calls ``main`` of the module.

Started so, Python has neither freezer nor site-packages on sys.path. The directory of ``freezer`` is added last, since
it may be a site-packages with modules that would hide the standard library's.
"""

import importlib
import os
import sys

if __name__ == "__main__":
    top = os.path.abspath(__file__)
    for _ in range(4):
        top = os.path.dirname(top)
    sys.path.append(top)

    sys.exit(importlib.import_module(sys.argv[1]).main(*sys.argv[2:]))
