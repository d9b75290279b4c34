"""Whether the process that started this one is the application itself.

Of a command line that the application gave to a shell, the new process sees no more than its arguments, which anybody
could have chosen. So its parent must be a process of the same executable, or a shell with ``-c`` that such a process
has started. Where there is no /proc, nobody is.

A process that was restored from a memory snapshot never executed the tree's program: the kernel says that it runs the
application's executable.
"""

import os
import sys

import _freezer_processes

SHELLS = ("sh", "dash", "ash", "bash", "busybox", "ksh", "mksh", "zsh")
PROGRAM = "program"
"""The file name of the tree's program."""


def has_unpacked_this() -> bool:
    """Whether the parent is the process that has unpacked this one, and waits for it."""
    try:
        return not _may_be_restored() and os.path.samefile(_exe(os.getppid()), sys.executable)
    except OSError:
        return False


def is_application(arguments: "list[str]") -> bool:
    """Whether the parent is the application, started with other arguments than these; with the same it starts itself
    once more."""
    try:
        process = os.getppid()
        unpacked = has_unpacked_this()
        if unpacked:
            process = _parent(process)
        if _is_shell_for_one_command(process):
            process = _parent(process)
        return (
            _owner(process) == os.geteuid()
            and _words(process)[1:] != arguments
            and _runs_application(process, unpacked)
        )
    except (OSError, ValueError, LookupError):
        return False


def _runs_application(process: int, unpacked: bool) -> bool:
    if not unpacked:
        own = (sys.executable, _freezer_processes.interpreter) if _may_be_restored() else ("/proc/self/exe",)
        return any(os.path.samefile(_exe(process), item) for item in own)
    # Each process has unpacked a program of its own.
    program = os.path.basename(os.readlink(_exe(process)))
    return program == PROGRAM and os.path.samefile(_exe(_parent(process)), sys.executable)


def _may_be_restored() -> bool:
    """Whether processes of this application may be restored from memory snapshots: its tree has what makes them."""
    return os.path.exists(os.path.dirname(os.path.dirname(_freezer_processes.interpreter)) + "/save.so")


def _owner(process: int) -> int:
    return os.stat("/proc/%d" % process).st_uid


def _exe(process: int) -> str:
    return "/proc/%d/exe" % process


def _words(process: int) -> "list[str]":
    with open("/proc/%d/cmdline" % process, "rb") as file:
        return [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]


def _parent(process: int) -> int:
    with open("/proc/%d/stat" % process, "rb") as file:
        # The name in parentheses may contain anything, parentheses too.
        return int(file.read().rpartition(b")")[2].split()[1])


def _is_shell_for_one_command(process: int) -> bool:
    words = _words(process)
    return os.path.basename(os.readlink(_exe(process))) in SHELLS and words[1:2] == ["-c"]
