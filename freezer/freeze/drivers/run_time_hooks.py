"""Which of PyInstaller's run-time hooks an application has, and when they run: some adapt it to PyInstaller's
bootloader, and some have each start import what it may never use."""

from __future__ import annotations

DEFERRED = frozenset(
    (
        *("pyi_rth_pkgutil", "pyi_rth_pkgres"),
        *("pyi_rth_findlibs", "pyi_rth_nltk", "pyi_rth_pygraphviz", "pyi_rth_traitlets"),
    )
)
"""Run-time hooks that import the module they mend, 13 to 500 ms at every start of an application that may never use it;
freezer runs each one once its module is first imported (freezer/freeze/runtime/_freezer_deferred.py)."""

REPLACED = frozenset(
    (
        # Which program is started is decided in freezer/freeze/runtime/_freezer_processes.py. The hook for django takes
        # the program out of the arguments of its reloader, which then finds none; that for pyqtgraph lets whoever may
        # choose the arguments start what unpickles standard input.
        *("pyi_rth_multiprocessing", "pyi_rth_django", "pyi_rth_pyqtgraph_multiprocess"),
        # It finds the files of code that has only a part of their paths, which here has all of it; and it imports
        # zipfile for that, and takes libraries for sources.
        "pyi_rth_inspect",
        # freezer/freeze/runtime/_freezer_native.py does what it is for.
        "pyi_rth_setuptools",
        # Each start would have a list of fonts made anew, and the user's own settings would not be found. The list has
        # matplotlib's own fonts by their places in the package, so that it is right wherever that is.
        "pyi_rth_mplconfig",
    )
)
"""Run-time hooks that are left out: their work is done in another way, or was for PyInstaller's bootloader only."""
