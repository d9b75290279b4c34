"""A program that runs beside staticx in a process of its own (``staticx_link``), and imports nothing of freezer."""

from pathlib import Path

DRIVERS = Path(__file__).parent
