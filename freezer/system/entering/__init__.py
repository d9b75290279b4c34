"""The program that runs one command of a build in the root of another system; see ``program``."""

from pathlib import Path

ENTERING = Path(__file__).with_name("__main__.py")
"""The program, to be started as a separate process: ``python -I -S ENTERING REQUEST REPORT``; both are descriptors."""
