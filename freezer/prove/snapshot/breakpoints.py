"""What a process asks without a system call: its environment, and the time.

The C library's functions for the environment begin with a breakpoint. The kernel's vdso, which tells the time without a
call, is taken out of what the kernel tells the program (AT_SYSINFO_EHDR of getauxval(3)); then the C library makes the
calls. Where the processor's counter is read, the process has been forbidden that (PR_SET_TSC of prctl(2)), and is given
a value.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

from freezer.prove.snapshot import ptrace
from freezer.prove.snapshot.memory import is_fixed, maps_of, symbols_of
from freezer.prove.snapshot.ptrace import Registers, read_memory, read_text, read_word, write_memory

ASKING, SETTING = ("getenv", "secure_getenv", "__secure_getenv"), ("setenv", "unsetenv", "putenv", "clearenv")
DRAWING = ("RAND_bytes", "RAND_priv_bytes", "RAND_bytes_ex", "RAND_priv_bytes_ex", "RAND_pseudo_bytes")
ENVIRONMENT = "environ"
LIBRARIES = {
    "program": frozenset((ENVIRONMENT,)),
    "start.so": frozenset(ASKING),
    "libc.so": frozenset((*ASKING, *SETTING, ENVIRONMENT)),
    "libc-": frozenset((*ASKING, *SETTING, ENVIRONMENT)),
    "libcrypto": frozenset(DRAWING),
}
"""What is watched, by the beginnings of libraries' names."""
NEEDED = ("getenv", "setenv", "unsetenv", "putenv", ENVIRONMENT)
MOST_VARIABLES = 1000
WATCH_WORD = 0x000B0001
"""DR7 of the processor: for register 0, reading and writing of eight bytes."""
TRAP = b"\xcc"
ENDBR64 = b"\xf3\x0f\x1e\xfa"
TAKE_ROOM = b"\x48\x83\xec"
"""sub of a byte from rsp; a function's first instruction may change the flags, which nobody passes on."""
PUSH, EXTENDED = 0x50, 0x41
REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")
CALL_OTHERS = ("secure_getenv", "__secure_getenv")
"""Functions that need no breakpoint of their own; nor do those of OpenSSL that call the same with _ex at its end."""
AT_NULL, AT_IGNORE, AT_SYSINFO_EHDR = 0, 1, 33
RDTSC, RDTSCP = b"\x0f\x31", b"\x0f\x01\xf9"

Noted = Callable[[int, str, str, Registers], None]


class Breakpoints:
    """The breakpoints of a process. ``missing`` has the functions that must have one, but begin with an instruction
    that is not known here."""

    def __init__(self) -> None:
        self.missing: set[str] = set(NEEDED)
        self._functions: dict[int, tuple[str, bytes]] = {}
        self._done: set[str] = set()
        self._environment = 0

    def place(self, tid: int, pid: int) -> None:
        """Put them into the libraries that are new."""
        for item in maps_of(pid):
            name = os.path.basename(item.path)
            wanted = next((names for start, names in LIBRARIES.items() if name.startswith(start)), None)
            if item.offset or wanted is None or item.path in self._done:
                continue
            self._done.add(item.path)
            symbols = symbols_of(Path(item.path), wanted)
            begin = 0 if is_fixed(Path(item.path)) else item.start
            environment = symbols.pop(ENVIRONMENT, None)
            if environment is not None and not self._environment:
                # The program's own, if it has one; it comes first.
                self._environment = begin + environment[0]
                self.watch(tid)
            for function, (value, _) in symbols.items():
                self._put(pid, begin + value, function, symbols)

    def variables(self, pid: int) -> dict[str, str]:
        """Return the environment as the C library has it."""
        found: dict[str, str] = {}
        place = read_word(pid, self._environment)
        while (text := read_word(pid, place)) and len(found) < MOST_VARIABLES:
            name, _, value = os.fsdecode(read_text(pid, text)).partition("=")
            found[name] = value
            place += 8
        return found

    def watch(self, tid: int) -> None:
        """Have a thread stop behind an instruction that reads or writes the place of the environment."""
        if not self._environment:
            return
        try:
            ptrace.request(ptrace.POKEUSER, tid, ptrace.DEBUG_REGISTERS, self._environment)
            ptrace.request(ptrace.POKEUSER, tid, ptrace.DEBUG_REGISTERS + 8 * 7, WATCH_WORD)
        except ProcessLookupError:
            raise
        except OSError:
            self.missing.add(ENVIRONMENT)  # the machine has no such registers for us
        else:
            self.missing.discard(ENVIRONMENT)

    def has_seen(self, tid: int, noted: Noted) -> bool:
        """Note who has read the place of the environment; return whether somebody has."""
        at = ptrace.DEBUG_REGISTERS + 8 * 6
        status = ptrace.peek(tid, at)
        if not status & 1:
            return False
        ptrace.request(ptrace.POKEUSER, tid, at, 0)
        noted(tid, "environment", "", ptrace.registers_of(tid))
        return True

    def _put(self, pid: int, address: int, function: str, symbols: Collection[str]) -> None:
        code = read_memory(pid, address, 4)
        if code == ENDBR64 or code[:3] == TAKE_ROOM or _pushed(code) is not None:
            self._functions[address] = function, code
            self.missing.discard(function)
            write_memory(pid, address, TRAP)
        elif function not in CALL_OTHERS and f"{function}_ex" not in symbols:
            self.missing.add(function)

    def hit(self, tid: int, pid: int, noted: Noted) -> bool:
        """Do what the instruction under a breakpoint does; return whether there is one."""
        registers = ptrace.registers_of(tid)
        address = registers.rip - 1
        if address not in self._functions:
            return False
        function, code = self._functions[address]
        if function in DRAWING:
            noted(tid, "drawn", function, _at_return(registers))
        else:
            value = os.fsdecode(read_text(pid, registers.rdi))
            kind = "variable" if function in ASKING else "set"
            noted(tid, kind, value if kind == "variable" else value.partition("=")[0], _at_return(registers))
        pushed = _pushed(code)
        if code[:3] == TAKE_ROOM:
            registers.rsp -= int.from_bytes(code[3:], "little", signed=True)
            registers.rip = address + len(code)
        elif pushed is None:
            registers.rip = address + len(ENDBR64)
        else:
            value_of = getattr(registers, pushed)
            registers.rsp -= 8
            registers.rip = address + (1 if code[0] != EXTENDED else 2)
            write_memory(pid, registers.rsp, int(value_of).to_bytes(8, "little"))
        ptrace.set_registers(tid, registers)
        return True


def _at_return(registers: Registers) -> Registers:
    """Return registers that show the caller of a function that has just begun."""
    copied = Registers.from_buffer_copy(registers)
    copied.rip = 0
    return copied


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
