"""A command of the user's own that runs in the foreground: at the user's terminal, with the user's variables.

Unlike a tool (``freezer.base.job``) it is in freezer's own process group, so that it may read from the terminal and
gets Ctrl-C from there; freezer waits for its end. Signals that only freezer got are passed on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Optional

from freezer.base.errors import InputError
from freezer.base.processes import die_with_parent, signals_held

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_foreground(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> tuple[int, bool]:
    """Run a command to its end, with its output on standard error; return its status, as subprocess counts it, and
    whether a signal was sent to end it.

    Raises InputError if it cannot be started.
    """
    stopped = False
    process: Optional[subprocess.Popen[bytes]] = None

    def pass_on(number: int, _frame: Optional[FrameType]) -> None:
        nonlocal stopped
        stopped = True
        if process is not None and not (number == signal.SIGINT and _at_terminal()):
            process.send_signal(number)

    previous = {}
    try:
        with signals_held() as mask:
            for number in PASSED_ON:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    previous[number] = signal.signal(number, pass_on)
            try:
                process = subprocess.Popen(
                    list(argv), env=dict(env), cwd=cwd, stdout=sys.stderr.fileno(), preexec_fn=die_with_parent(mask)
                )
            except OSError as error:
                raise InputError(
                    f"{argv[0]} cannot be started",
                    why=error.strerror or str(error),
                    hint=f"name a program, or a script behind python: -- python {argv[0]}",
                ) from error
        return process.wait(), stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _at_terminal() -> bool:
    """Tell whether a terminal sends its signals to freezer's process group, and so to the command, too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
