"""Programs that run in a process of their own, under another interpreter or beside code of another licence.

They import nothing of freezer. ``describe``, ``resolve`` and ``freeze`` (with ``inventory``, ``collect`` and
``own_sources``) run under the Python of the build environment; ``staticx_link`` runs beside staticx, ``read_package``,
``unpack_onefile`` and ``list_archive`` beside PyInstaller, all under freezer's own.
"""

from pathlib import Path

DRIVERS = Path(__file__).parent

MANIFEST = ".freezer.json"
"""The file in a bundle with what freezer tells its own later checks; data, never read by the application."""
