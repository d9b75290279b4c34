"""Freezing: PyInstaller collects the application, and freezer's run-time code is added."""
