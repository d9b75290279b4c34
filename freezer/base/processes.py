"""Processes that freezer starts: how they begin, what they print, and their end with all that they started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
GRACE = 2.0
"""In seconds: the time that a tool has to clean up before it is killed."""
LAST_OUTPUT = 1.0
"""In seconds: how long output is read on after a tool's end, if others still write."""
POLL_MILLISECONDS = 50


def die_with_parent(mask: set[int]) -> Callable[[], None]:
    """Return what a child calls before it becomes the program: it dies with freezer, and has the given signal mask."""
    # Looked up before the fork: the child must import and allocate as little as possible.
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return prepare


def lines_until_end(pipe: IO[bytes], process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield the lines that a process prints, until it ends.

    The end of the pipe is not enough to wait for: a process in the background may keep it open for ever.
    """
    ready = select.poll()
    ready.register(pipe, select.POLLIN)
    begun: list[bytes] = []
    last = None
    while last is None or time.monotonic() < last:
        if last is None and has_ended(process):
            last = time.monotonic() + LAST_OUTPUT
        if ready.poll(POLL_MILLISECONDS if last is None else 0):
            data = os.read(pipe.fileno(), 1 << 16)
            if not data:
                break
            *whole, rest = data.split(b"\n")
            for line in whole:
                yield b"".join((*begun, line, b"\n"))
                begun.clear()
            begun.append(rest)
        elif last is not None:
            break
    if any(begun):
        yield b"".join(begun)


def has_ended(process: subprocess.Popen[bytes], *, wait: bool = False) -> bool:
    """Tell whether a process has ended, or wait for that. It stays a zombie, in which its times can be read."""
    if process.returncode is None:
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | (0 if wait else os.WNOHANG)) is not None
    return True


@contextlib.contextmanager
def signals_held() -> Iterator[set[int]]:
    """Hold back the signals that interrupt a build, so that work begun inside the block can be undone.

    Gives the signal mask from before, for a process started inside.
    """
    numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield {int(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a tool with all its children, and return only when none of them can write any more.

    Each signal is sent once: a tool that cleans up after SIGTERM would take a second one as the demand to stop that.
    """
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 10.0)):
        deadline = time.monotonic() + patience
        due = int(number)
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                process.poll()
            try:
                os.killpg(process.pid, due)
            except (ProcessLookupError, PermissionError):
                return
            if process.poll() is not None and not _any_alive(process.pid):
                return
            due = 0
            time.sleep(0.02)


def _any_alive(group: int) -> bool:
    """Tell whether a process group has more than zombies, which their new parent may leave unread for seconds."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name comes second, in parentheses, and may contain anything; state, parent and group follow it.
            state, _, number = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if int(number) == group and state not in "ZX":
                return True
    return not os.path.exists("/proc/self/stat")


def describe_status(status: int) -> str:
    """Return "exited with status 2", or "was killed by SIGSEGV"."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def run_quietly(argv: Sequence[str]) -> None:
    """Run a program that belongs to no job, and ignore its failure."""
    with contextlib.suppress(OSError):
        subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )


def ask_program(argv: Sequence[str], text: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a program that belongs to no job with ``text`` as its input, and capture its output.

    Raises OSError if it cannot be started, and subprocess.TimeoutExpired.
    """
    return subprocess.run(
        argv, input=text, capture_output=True, encoding="utf-8", errors="replace", timeout=seconds, check=False
    )
