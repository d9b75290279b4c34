"""Freezing: PyInstaller collects the application, and freezer's run-time code is added."""

from pathlib import Path

RUNTIME = Path(__file__).parent / "runtime"
"""The directory of the modules that are put into every application."""
