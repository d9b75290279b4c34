"""Programs that run PyInstaller, or read its archives, in a process of their own; they import nothing of freezer.

``run_pyinstaller`` and what it imports run under the Python of the build environment; ``read_package``,
``unpack_onefile`` and ``list_archive`` under freezer's own, beside PyInstaller. ``freeze_messages`` has the types of
what freezer asks them and what they answer.
"""

from pathlib import Path

DRIVERS = Path(__file__).parent
