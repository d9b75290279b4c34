"""What a process asks without a system call: its environment, and the time.

The C library's functions for the environment begin with a breakpoint. The kernel's vdso, which tells the time without a
call, is taken out of what the kernel tells the program (AT_SYSINFO_EHDR of getauxval(3)); then the C library makes the
calls. Where the processor's counter is read, the process has been forbidden that (PR_SET_TSC of prctl(2)), and is given
a value.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from freezer.prove.snapshot import ptrace
from freezer.prove.snapshot.memory import functions_of, maps_of
from freezer.prove.snapshot.ptrace import Registers, read_memory, read_text, read_word, write_memory

ASKING, SETTING = ("getenv", "secure_getenv", "__secure_getenv"), ("setenv", "unsetenv", "putenv", "clearenv")
FUNCTIONS = frozenset((*ASKING, *SETTING))
TRAP = b"\xcc"
ENDBR64 = b"\xf3\x0f\x1e\xfa"
PUSH, EXTENDED = 0x50, 0x41
REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
CALL_OTHERS = ("secure_getenv", "__secure_getenv")
"""Functions that need no breakpoint of their own."""
AT_NULL, AT_IGNORE, AT_SYSINFO_EHDR = 0, 1, 33
RDTSC, RDTSCP = b"\x0f\x31", b"\x0f\x01\xf9"

Noted = Callable[[int, str, str, Registers], None]


class Breakpoints:
    """The breakpoints of a process. ``missing`` has the functions that must have one, but begin with an instruction that
    is not known here."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self._functions: dict[int, tuple[str, bytes]] = {}

    def place(self, pid: int) -> None:
        """Put them into the libraries that are there now; the others call these."""
        if self._functions:
            return
        for item in maps_of(pid):
            name = os.path.basename(item.path)
            if item.offset == 0 and (name == "start.so" or name.startswith(("libc.so", "libc-"))):
                for function, (value, _) in functions_of(Path(item.path), FUNCTIONS).items():
                    self._put(pid, item.start + value, function)
        self.missing.update({"getenv", "setenv"} - {function for function, _ in self._functions.values()})

    def _put(self, pid: int, address: int, function: str) -> None:
        code = read_memory(pid, address, 4)
        if code == ENDBR64 or _pushed(code) is not None:
            self._functions[address] = function, code
            write_memory(pid, address, TRAP)
        elif function not in CALL_OTHERS:
            self.missing.add(function)

    def hit(self, tid: int, pid: int, noted: Noted) -> bool:
        """Do what the instruction under a breakpoint does; return whether there is one."""
        registers = ptrace.registers_of(tid)
        address = registers.rip - 1
        if address not in self._functions:
            return False
        function, code = self._functions[address]
        value = os.fsdecode(read_text(pid, registers.rdi))
        if function in ASKING:
            noted(tid, "variable", value, registers)
        else:
            noted(tid, "set", value.partition("=")[0], registers)
        pushed = _pushed(code)
        if pushed is None:
            registers.rip = address + len(ENDBR64)
        else:
            value_of = getattr(registers, pushed)
            registers.rsp -= 8
            registers.rip = address + (1 if code[0] != EXTENDED else 2)
            write_memory(pid, registers.rsp, int(value_of).to_bytes(8, "little"))
        ptrace.set_registers(tid, registers)
        return True


def _pushed(code: bytes) -> str | None:
    """Return the register that code begins with pushing to the stack."""
    if code[0] & 0xF8 == PUSH:
        return REGISTERS[code[0] & 7]
    if code[0] == EXTENDED and code[1] & 0xF8 == PUSH:
        return f"r{8 + (code[1] & 7)}"
    return None


def hide_vdso(pid: int) -> None:
    """Have a program that is about to start not know of the vdso."""
    address = ptrace.registers_of(pid).rsp
    address += 8 * (read_word(pid, address) + 2)  # behind the arguments, and their NULL
    while read_word(pid, address):
        address += 8
    address += 8
    while (kind := read_word(pid, address)) != AT_NULL:
        if kind == AT_SYSINFO_EHDR:
            write_memory(pid, address, AT_IGNORE.to_bytes(8, "little"))
        address += 16


def emulate_counter(tid: int, pid: int) -> bool:
    """Give a thread that reads the processor's counter a value; return whether it does."""
    registers = ptrace.registers_of(tid)
    code = read_memory(pid, registers.rip, 3)
    size = 3 if code == RDTSCP else 2 if code[:2] == RDTSC else 0
    if not size:
        return False
    now = time.monotonic_ns()
    registers.rax, registers.rdx = now & 0xFFFFFFFF, now >> 32
    if size == 3:
        registers.rcx = 0
    registers.rip += size
    ptrace.set_registers(tid, registers)
    return True
