"""Filters of system calls (seccomp(2)): programs of the classic BPF, which the kernel asks at each call.

The filter of a process holds for all that it starts, and can never be taken off.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple, Optional

from freezer.base.isolation.system import LIBC

MOST_STEPS = 4096
"""Instructions of a filter at most (BPF_MAXINSNS of <linux/bpf_common.h>)."""
# <linux/seccomp.h>
SET_MODE_FILTER = 1
RETURN_ERROR, RETURN_ALLOW = 0x00050000, 0x7FFF0000
# <linux/bpf_common.h>, and the places in struct seccomp_data
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AT_NUMBER, AT_ARCH = 0, 4


class Step(NamedTuple):
    """An instruction: its code, the steps to skip if its test is true, and if it is false, and a value."""

    code: int
    if_true: int
    if_false: int
    value: int


ALLOW_ALL = Step(RETURN, 0, 0, RETURN_ALLOW)
"""The last step: whatever was not decided is allowed."""


class Machine(NamedTuple):
    """A kind of machine: the number that the kernel has for its calls (AUDIT_ARCH of <linux/audit.h>), and that of
    seccomp(2) itself."""

    arch: int
    seccomp: int


MACHINES = {"x86_64": Machine(0xC000003E, 317), "aarch64": Machine(0xC00000B7, 277)}
"""The machines whose calls freezer knows, by their names in uname(2)."""


class _Program(ctypes.Structure):
    """struct sock_fprog of <linux/filter.h>."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def argument(number: int) -> int:
    """Return the place of the lower half of a call's argument; these machines are all little-endian."""
    return 16 + 8 * number


def install(steps: Sequence[Step], flags: int = 0) -> Optional[int]:
    """Put a filter on this process; return what the kernel returns, or None if it refuses.

    The process must have given up new privileges.
    """
    machine = MACHINES.get(os.uname().machine)
    if machine is None or not 0 < len(steps) <= MOST_STEPS:
        return None
    program = _Program(len(steps), b"".join(struct.pack("=HBBI", *step) for step in steps))
    answer = LIBC.syscall(machine.seccomp, SET_MODE_FILTER, flags, ctypes.byref(program))
    return int(answer) if answer >= 0 else None
