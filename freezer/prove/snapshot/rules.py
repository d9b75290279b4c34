"""What a system call that stopped the process is, as an event; None if it does no harm."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import NamedTuple, Optional

from freezer.prove.snapshot.events import START, Event
from freezer.prove.snapshot.ptrace import read_memory, read_text

AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
# <fcntl.h>: what opens for writing, or makes a file.
O_ACCMODE, O_CREAT, O_TRUNC, O_TMPFILE = 3, 0o100, 0o1000, 0o20000000
TERMINAL_REQUESTS = {0x5401, 0x5413}
"""TCGETS, by which isatty() asks, and TIOCGWINSZ: they fail for what is no terminal, and no more is saved of them, as
starts at a terminal are plain then."""
FD_REQUESTS = (0x5450, 0x5451, 0x5421)  # FIONCLEX, FIOCLEX, FIONBIO
C_LIBRARYS_OWN = (32, 33)
"""Signals that the C library has for its threads."""
CLONE_THREAD = 0x10000
PR_SET_NAME, PR_SET_VMA = 15, 0x53564D41
MAKING = ("dup", "epoll_create", "epoll_create1", "eventfd", "eventfd2", "memfd_create", "pipe", "pipe2", "socketpair")
"""Calls that make something of the process's own, which is gone if it is closed by the end of the imports."""
NOTHING = ("/dev/null", "/dev/zero", "/dev/full")


class Call(NamedTuple):
    """A call of a process ``pid``; ``main`` says whether its first thread makes it."""

    name: str
    pid: int
    main: bool
    phase: str
    arguments: tuple[int, int, int, int, int, int]

    def number(self, index: int) -> int:
        """Return an argument as a C int."""
        return int(struct.unpack("<i", struct.pack("<I", self.arguments[index] & 0xFFFFFFFF))[0])

    def text(self, index: int) -> str:
        """Return an argument as a string."""
        return os.fsdecode(read_text(self.pid, self.arguments[index]))

    def path(self, index: int, folder: Optional[int] = None) -> str:
        """Return an argument as a path, absolute if the directory is known; ``folder`` is the argument that has the
        directory's descriptor. A path that hangs on the current directory begins with "./"."""
        path = self.text(index)
        if path.startswith("/"):
            return os.path.normpath(path) if ".." not in path else path
        number = AT_FDCWD if folder is None else self.number(folder)
        if number == AT_FDCWD:
            return f"./{path}"
        return os.path.join(file_of(self.pid, number), path)


def file_of(pid: int, number: int) -> str:
    """Return what a descriptor of a process leads to."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{number}")
    except OSError:
        return f"descriptor {number}"


Rule = Callable[[Call], Optional[Event]]


def judge(call: Call) -> Optional[Event]:
    """Return what a call is."""
    rule = RULES.get(call.name)
    event = rule(call) if rule is not None else Event("call", call.name)
    if event is not None:
        event.phase = call.phase
    return event


def _opened(path: str, flags: int) -> Optional[Event]:
    if path in NOTHING:
        return None
    if flags & O_ACCMODE or flags & (O_CREAT | O_TRUNC) or flags & O_TMPFILE == O_TMPFILE:
        return Event("change", f"open {path}")
    return Event("open", path)


def _openat2(call: Call) -> Optional[Event]:
    return _opened(call.path(1, 0), int.from_bytes(read_memory(call.pid, call.arguments[2], 8), "little"))


def _newfstatat(call: Call) -> Optional[Event]:
    if not call.text(1):
        return _stream(call)
    return Event("stat", call.path(1, 0))


def _stream(call: Call) -> Optional[Event]:
    """A call with a descriptor as its first argument: only the standard streams are not the process's own."""
    if 0 <= call.number(0) <= 2:
        return Event("stream", f"{call.name} {call.number(0)}")
    return None


def _write(call: Call) -> Optional[Event]:
    return Event("output", str(call.number(0))) if 0 <= call.number(0) <= 2 else None


def _ioctl(call: Call) -> Optional[Event]:
    number, wanted = call.number(0), call.arguments[1] & 0xFFFFFFFF
    if wanted in TERMINAL_REQUESTS:
        return Event("ask", "terminal") if 0 <= number <= 2 else None
    if wanted in FD_REQUESTS and number > 2:
        return None
    return Event("call", f"ioctl {wanted:#x}")


def _listed(call: Call) -> Optional[Event]:
    return Event("list", file_of(call.pid, call.number(0)))


def _clone(call: Call) -> Optional[Event]:
    flags = call.arguments[0]
    if call.name == "clone3":
        flags = int.from_bytes(read_memory(call.pid, call.arguments[0], 8), "little")
    return Event("thread", "") if flags & CLONE_THREAD else Event("process", call.name)


def _execve(call: Call) -> Optional[Event]:
    return Event("process", f"{call.name} {call.path(0)}")


def _prctl(call: Call) -> Optional[Event]:
    option = call.arguments[0] & 0xFFFFFFFF
    if option == PR_SET_VMA or (option == PR_SET_NAME and (not call.main or call.phase == START)):
        return None
    return Event("call", f"prctl {option}")


def _limit(call: Call) -> Optional[Event]:
    if call.name == "getrlimit":
        return Event("ask", f"limit {call.number(0)}")
    if call.arguments[2] or call.number(0):
        return Event("call", "setrlimit")
    return Event("ask", f"limit {call.number(1)}")


def _starts_only(call: Call) -> Optional[Event]:
    return None if call.phase == START else Event("call", call.name)


def _signal(call: Call) -> Optional[Event]:
    if call.phase == START or call.number(0) in C_LIBRARYS_OWN:
        return None
    return Event("signal", f"{'handle' if call.arguments[1] else 'ask'} {call.number(0)}")


def _made(call: Call) -> Optional[Event]:
    place = {"pipe": 0, "pipe2": 0, "socketpair": 3}.get(call.name)
    return Event("object", call.name, pair=0 if place is None else call.arguments[place])


def _changing(index: int, folder: Optional[int] = None) -> Rule:
    return lambda call: Event("change", f"{call.name} {call.path(index, folder)}")


def _looking(kind: str, index: int, folder: Optional[int] = None) -> Rule:
    return lambda call: Event(kind, call.path(index, folder))


def _always(kind: str, value: str) -> Rule:
    return lambda call: Event(kind, value)


RULES: dict[str, Rule] = {
    **dict.fromkeys(("fstat", "read", "readv", "pread64", "lseek", "fcntl"), _stream),
    **dict.fromkeys(("write", "writev"), _write),
    **dict.fromkeys(("clock_gettime", "gettimeofday", "time", "times", "getrusage"), lambda c: Event("clock", c.name)),
    **dict.fromkeys(("stat", "lstat", "access"), _looking("stat", 0)),
    **dict.fromkeys(("faccessat", "faccessat2"), _looking("stat", 1, 0)),
    **dict.fromkeys(("getdents", "getdents64"), _listed),
    **dict.fromkeys(("clone", "clone3"), _clone),
    **dict.fromkeys(("fork", "vfork"), lambda call: Event("process", call.name)),
    **dict.fromkeys(MAKING, _made),
    "execve": _execve,
    **dict.fromkeys(("chmod", "chown", "mkdir", "rename", "rmdir", "unlink", "creat", "link", "symlink"), _changing(0)),
    **dict.fromkeys(("fchmodat", "mkdirat", "renameat", "renameat2", "unlinkat", "utimensat"), _changing(1, 0)),
    "arch_prctl": _starts_only,
    "getcwd": _always("ask", "cwd"),
    "getpgid": _always("identity", "group"),
    "getpgrp": _always("identity", "group"),
    "getpid": _always("identity", "process"),
    "getppid": _always("identity", "parent"),
    "getrandom": lambda call: Event("random", str(call.arguments[1])),
    "getrlimit": _limit,
    "getsid": _always("identity", "session"),
    "gettid": _always("identity", "thread"),
    "ioctl": _ioctl,
    "newfstatat": _newfstatat,
    "open": lambda call: _opened(call.path(0), call.arguments[1]),
    "openat": lambda call: _opened(call.path(1, 0), call.arguments[2]),
    "openat2": _openat2,
    "prctl": _prctl,
    "prlimit64": _limit,
    "readlink": _looking("stat", 0),
    "readlinkat": _looking("stat", 1, 0),
    "rt_sigaction": _signal,
    "sched_getaffinity": _always("ask", "cpus"),
    "socket": lambda call: Event("socket", str(call.number(0))),
    "statx": lambda call: _stream(call) if not call.text(1) else Event("stat", call.path(1, 0)),
    "umask": _always("umask", ""),
    "uname": lambda call: None if call.phase == START else Event("ask", "hostname"),
}
