"""The caller's terminal, which the application gets for as long as it runs.

An application in a session of its own is enough for output, and for reading lines. But who works with a terminal -
shells, editors, prompts - must be in its foreground: then it gets Ctrl-C and the like from there, and freezer none of
them. At the end, and whenever the application is stopped, freezer takes the terminal back, as it was.
"""

from __future__ import annotations

import os
import signal
import termios
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Optional

INPUT, OUTPUT = 0, 1


class Terminal:
    """The terminal at standard input and output, with its settings of now."""

    def __init__(self) -> None:
        """Remember the settings."""
        self._settings: Optional[list[Any]] = None
        with suppress(termios.error):
            self._settings = termios.tcgetattr(INPUT)

    def is_ours(self) -> bool:
        """Return whether freezer's process group is in the foreground."""
        return in_foreground()

    def take_back(self) -> None:
        """Be in the foreground again, with the settings that the terminal had."""
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            with suppress(OSError):
                os.tcsetpgrp(INPUT, os.getpgrp())
            if self._settings is not None:
                with suppress(termios.error):
                    termios.tcsetattr(INPUT, termios.TCSADRAIN, self._settings)
        finally:
            signal.signal(signal.SIGTTOU, before)


def in_foreground() -> bool:
    """Return whether standard input is freezer's own terminal, and freezer in its foreground."""
    try:
        return os.tcgetpgrp(INPUT) == os.getpgrp()
    except OSError:
        return False


def own_terminal() -> Optional[Terminal]:
    """Return the terminal that the application shall have; None if input or output is something else."""
    if os.isatty(INPUT) and os.isatty(OUTPUT) and in_foreground():
        return Terminal()
    return None


def kind_of_terminal(environ: Mapping[str, str]) -> Optional[str]:
    """Return the kind of the caller's terminal; None if no standard stream is one."""
    return environ.get("TERM") if any(map(os.isatty, (INPUT, OUTPUT, 2))) else None
