"""Programs that run under the Python of the build environment (``describe``, ``find_available``), and import nothing of
freezer."""

from pathlib import Path

DRIVERS = Path(__file__).parent
