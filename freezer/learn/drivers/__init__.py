"""What notes, in each process of a learning run, what the application asks for (``sitecustomize``); it imports nothing
of freezer."""

from pathlib import Path

DRIVERS = Path(__file__).parent
