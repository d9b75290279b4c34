"""System calls without a function in Python, and limits to the descriptors and signals that child processes inherit.

By default, open descriptors and ignored signals pass through fork and exec, and a child outlives its parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
LIBC = ctypes.CDLL(None, use_errno=True)


class IsolationError(Exception):
    """The kernel, or a security policy, refuses a step of the isolation."""

    def __init__(self, step: str, code: int) -> None:
        """Remember ``code``, an errno, as callers have another way after some refusals."""
        super().__init__(f"{step}: {os.strerror(code)}")
        self.step, self.code = step, code


def libc(function: str, step: str, *arguments: object) -> None:
    """Call a function of the C library that returns 0 when it succeeds.

    Raises IsolationError, which names ``step``, when it fails.
    """
    if getattr(LIBC, function)(*arguments) != 0:
        raise IsolationError(step, ctypes.get_errno())


@contextmanager
def as_step(step: str) -> Iterator[None]:
    """Report a failed system call as a failed step of the isolation."""
    try:
        yield
    except OSError as error:
        raise IsolationError(step, error.errno or 0) from error


def forked(body: Callable[[], None]) -> int:
    """Return the process id of a child that runs ``body`` and ends, with a traceback if that raises."""
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        die_with_parent()
        if os.getppid() in (parent, 0):  # else the parent is gone; 0 is a parent outside the PID namespace
            body()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    libc("prctl", "set the parent death signal", PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))


def reset_signals() -> None:
    """Reset the signals that the caller, or Python (SIGPIPE, SIGXFSZ), ignores or blocks: both survive exec."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def seal_descriptors() -> None:
    """Keep open descriptors of the caller from being inherited."""
    for entry in os.listdir("/proc/self/fd"):
        if int(entry) > 2:
            with suppress(OSError):  # the listing's own descriptor
                os.set_inheritable(int(entry), False)


def wake_on_child() -> int:
    """Return a descriptor that becomes readable when a child ends (pidfd_open(2) would need Linux 5.3)."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only a signal with a handler writes to the pipe
    return wake
