"""Programs that run PyInstaller, or read its archives, in a process of their own; they import nothing of freezer.

``run_pyinstaller`` (with ``installed``, ``collect`` and ``own_sources``) runs under the Python of the build
environment; ``read_package``, ``unpack_onefile`` and ``list_archive`` under freezer's own, beside PyInstaller.
"""

from pathlib import Path

DRIVERS = Path(__file__).parent
