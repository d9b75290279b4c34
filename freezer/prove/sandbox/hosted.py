"""Run a command on the host itself, where it permits no cells and a weaker proof is enough.

The command has the host's files and network, but none of the caller's privileges, and its processes end with the run:
those that it leaves behind become children of the process that watches it (PR_SET_CHILD_SUBREAPER), which kills them.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress

from freezer.base.isolation.system import libc, wake_on_child
from freezer.prove.sandbox.application import reply_of, start_application, watch
from freezer.prove.sandbox.protocol import Cell, Message

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def run_on_host(run: Message, cell: Cell) -> Message:
    """Run one command, and report what it did, but for the files that it mapped or left behind."""
    libc("prctl", "adopt orphans", PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1))
    wake = wake_on_child()
    application = start_application(run, cell._replace(real_root=False))
    seen, status = watch(application, wake, float(run["timeout"]), trace=False)
    return reply_of(application, seen, end_children(application.pid, status))


def end_children(application: int, status: int | None) -> int:
    """Kill and reap all children, and those that they leave to this process; return the application's wait status."""
    while children := children_of(os.getpid()):
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with suppress(ChildProcessError):
                _, code = os.waitpid(child, 0)
                status = code if child == application else status
    if status is None:
        raise RuntimeError("the application's wait status was lost")
    return status


def children_of(parent: int) -> list[int]:
    """Return the processes whose parent is ``parent`` (proc(5))."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{entry}/stat", "rb") as stream:
            # The name, in brackets, may have any character.
            if int(stream.read().rpartition(b")")[2].split()[1]) == parent:
                found.append(int(entry))
    return found
