"""The system call ptrace(2), for processes of x86_64."""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress

from freezer.base.isolation.system import LIBC

# <linux/ptrace.h>
TRACEME, CONTINUE, KILL, GETREGS, SETREGS, SYSCALL = 0, 7, 8, 12, 13, 24
PEEKUSER, POKEUSER, SINGLESTEP, SETOPTIONS, GETEVENTMSG = 3, 6, 9, 0x4200, 0x4201
EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_SECCOMP = 1, 2, 3, 4, 7
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
"""TRACESYSGOOD, TRACEFORK, TRACEVFORK, TRACECLONE, TRACEEXEC, TRACESECCOMP, EXITKILL."""
ONLY_EXEC = 0x10 | 0x100000
WALL = 0x40000000
"""For wait(2): threads, too."""
PAGE = 4096
DEBUG_REGISTERS = 848
"""Where struct user of <sys/user.h> has the processor's debug registers."""
LONGEST_TEXT = 8192
FIELDS = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)

LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
LIBC.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    """struct user_regs_struct of <sys/user.h>."""

    _fields_ = tuple((name, ctypes.c_ulonglong) for name in FIELDS)
    rax: int
    rcx: int
    rdx: int
    rsi: int
    rdi: int
    r8: int
    r9: int
    r10: int
    orig_rax: int
    rip: int
    rsp: int
    rbp: int

    def arguments(self) -> tuple[int, int, int, int, int, int]:
        """Return the arguments of the system call."""
        return self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9


def request(number: int, tid: int, address: int = 0, data: int = 0) -> int:
    """Do a request. Raises OSError, a ProcessLookupError if the thread is gone."""
    answer = LIBC.ptrace(number, tid, address, data)
    if answer == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(answer)


def resume(tid: int, how: int = CONTINUE, number: int = 0) -> None:
    """Have a stopped thread go on, with a signal if that is not 0; it may have been killed."""
    with suppress(ProcessLookupError):
        request(how, tid, 0, number)


def registers_of(tid: int) -> Registers:
    """Return the registers of a stopped thread."""
    registers = Registers()
    request(GETREGS, tid, 0, ctypes.addressof(registers))
    return registers


def set_registers(tid: int, registers: Registers) -> None:
    """Change the registers of a stopped thread."""
    request(SETREGS, tid, 0, ctypes.addressof(registers))


def event_message(tid: int) -> int:
    """Return the number that comes with an event: a new thread's or process's."""
    number = ctypes.c_ulong()
    request(GETEVENTMSG, tid, 0, ctypes.addressof(number))
    return number.value


def peek(tid: int, offset: int) -> int:
    """Return a word of struct user."""
    word = ctypes.c_ulong()
    # The system call itself, unlike the C library's function, stores the word.
    if LIBC.syscall(101, PEEKUSER, tid, ctypes.c_ulong(offset), ctypes.byref(word)) != 0:
        raise ProcessLookupError
    return word.value


def read_memory(pid: int, address: int, size: int) -> bytes:
    """Return bytes of a process's memory; fewer where it has no more."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        try:
            return os.pread(memory.fileno(), size, address)
        except (OSError, OverflowError):
            return b""


def write_memory(pid: int, address: int, data: bytes) -> None:
    """Change a process's memory, even where itself it may not."""
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        os.pwrite(memory.fileno(), data, address)


def read_text(pid: int, address: int) -> bytes:
    """Return the string at an address, without its NUL; b"" if there is none."""
    text = b""
    while len(text) < LONGEST_TEXT:
        piece = read_memory(pid, address + len(text), PAGE - (address + len(text)) % PAGE)
        text += piece
        if b"\0" in piece or not piece:
            break
    return text.partition(b"\0")[0]


def read_word(pid: int, address: int) -> int:
    """Return the machine word at an address; 0 if there is none."""
    data = read_memory(pid, address, 8)
    return int(struct.unpack("<Q", data)[0]) if len(data) == 8 else 0
