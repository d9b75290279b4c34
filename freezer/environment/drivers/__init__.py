"""A program that runs under the Python of the build environment (``describe``), and imports nothing of freezer."""

from pathlib import Path

DRIVERS = Path(__file__).parent
