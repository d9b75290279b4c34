"""The filter of system calls for an application that may be hostile: what no namespace and no capability keeps away.

Keys of the kernel and its counters have no namespaces; a user namespace of its own would give a process capabilities
again, and with them the parts of the kernel that are attacked most; and what is put into a terminal's input
(TIOCSTI), a shell outside would run. docker's default filter forbids the same, and more that needs capabilities anyway.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple, Optional

from freezer.base.isolation.seccomp import (
    ALLOW_ALL,
    ANY_BIT,
    AT_ARCH,
    AT_LEAST,
    AT_NUMBER,
    EQUAL,
    LOAD,
    MACHINES,
    RETURN,
    RETURN_ERROR,
    Step,
    argument,
    install,
)
from freezer.base.isolation.system import IsolationError

DENIED: dict[str, tuple[Optional[int], Optional[int]]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, None),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "query_module": (178, None),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "_sysctl": (156, None),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
"""What is forbidden: the numbers of each call on x86_64 and aarch64 (<asm/unistd.h>), None where there is none."""

ABSENT = {"clone3": (435, 435), "io_uring_setup": (425, 425)}
"""What the kernel seems not to have, so that programs take the older way: a filter cannot see the flags of clone3."""

MACHINE_NAMES = ("x86_64", "aarch64")
"""The columns of these tables."""
X32 = 0x40000000
"""The first number of the calls of x86_64's other interface."""
NEW_NAMESPACES = 0x7E020000
"""The flags CLONE_NEW* of <sched.h> together, but for CLONE_NEWTIME, which clone(2) does not have."""
TERMINAL_INPUT = (0x5412, 0x541C)
"""The requests TIOCSTI and TIOCLINUX of ioctl_tty(2)."""
AF_VSOCK = 40
"""Sockets to the machine that runs this virtual one, which no network namespace separates (vsock(7))."""


class _Calls(NamedTuple):
    """The numbers of the calls that are judged by their arguments."""

    ioctl: int
    clone: int
    socket: int


JUDGED = {"x86_64": _Calls(16, 56, 41), "aarch64": _Calls(29, 220, 198)}

NUMBER = Step(LOAD, 0, 0, AT_NUMBER)


def _error(code: int) -> Step:
    return Step(RETURN, 0, 0, RETURN_ERROR | code)


def confining_filter(machine: str) -> list[Step]:
    """Return the filter for a machine of ``MACHINE_NAMES``.

    The kernel looks only at the lower half of the arguments that are judged here, and so does the filter.
    """
    steps = [Step(LOAD, 0, 0, AT_ARCH), Step(EQUAL, 1, 0, MACHINES[machine].arch), _error(errno.ENOSYS), NUMBER]
    if machine == "x86_64":
        steps += [Step(AT_LEAST, 0, 1, X32), _error(errno.ENOSYS)]
    column = MACHINE_NAMES.index(machine)
    for table, code in ((DENIED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for numbers in table.values():
            number = numbers[column]
            if number is not None:
                steps += [Step(EQUAL, 0, 1, number), _error(code)]
    calls = JUDGED[machine]
    denied = _error(errno.EPERM)
    steps += _judged(calls.clone, 0, [Step(ANY_BIT, 0, 1, NEW_NAMESPACES), denied])
    steps += _judged(calls.socket, 0, [Step(EQUAL, 0, 1, AF_VSOCK), denied])
    requests = [step for request in TERMINAL_INPUT for step in (Step(EQUAL, 0, 1, request), denied)]
    steps += _judged(calls.ioctl, 1, requests)
    return [*steps, ALLOW_ALL]


def _judged(number: int, place: int, tests: list[Step]) -> list[Step]:
    """Return the steps that test one argument of one call, and then are done with it."""
    body = [Step(LOAD, 0, 0, argument(place)), *tests, ALLOW_ALL]
    return [Step(EQUAL, 0, len(body), number), *body]


def confine() -> None:
    """Put the filter on this process, which must have given up new privileges. Raises IsolationError."""
    machine = os.uname().machine
    if machine not in MACHINE_NAMES or install(confining_filter(machine)) is None:
        raise IsolationError("filter system calls", errno.ENOSYS)
