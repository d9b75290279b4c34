"""Whose code makes a system call: the stack of a stopped thread, read from outside.

Without debugging information nobody can walk a stack for certain. A word on it that points behind a call instruction is
where a function returns to, or was so earlier. The first of these is right: the C library's wrappers of system calls
keep nothing on the stack that could look like it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from freezer.prove.snapshot.breakpoints import ENDBR64
from freezer.prove.snapshot.memory import Map, at, follows_call, is_fixed, maps_of, symbols_of
from freezer.prove.snapshot.ptrace import Registers, read_memory, read_word
from freezer.prove.snapshot.waiting import waiting_functions

WORDS = 64
"""How much of the stack is looked at."""
C_LIBRARIES = ("libc.so", "libc-", "libpthread", "ld-linux", "ld-2")
WAITING = frozenset(
    (
        "PyThread_acquire_lock_timed",
        "PyThread_acquire_lock_timed_with_retries",
        "_PyMutex_LockTimed",
        "_PyParkingLot_Park",
    )
)
"""Functions of the interpreter that read the clock only to know when to stop waiting; ``waiting`` finds others."""
INTERPRETERS = ("program", "libpython")
CALL, JUMP_BY, BND = b"\xe8", b"\xff\x25", b"\xf2"
FUNCTION = 4096
"""Bytes that a function has at most, of those that read a clock."""
NEAR = 8
"""Among how many words of the stack such a one may be."""


class Callers:
    """Knows the code that is in a process."""

    def __init__(self, pid: int, tree: str) -> None:
        self._pid, self._tree = pid, tree
        self._waiting: dict[str, list[tuple[int, int]]] = {}
        self._maps: list[Map] = []

    def forget(self) -> None:
        """Look again where the libraries are: another is being loaded."""
        self._maps = []

    def of(self, registers: Registers, kind: str) -> tuple[str, bool]:
        """Return the library, other than the C library, that an event of a kind comes from, and whether it is a clock
        that is read only to wait."""
        self._maps = self._maps or maps_of(self._pid)
        if kind == "drawn":
            # OpenSSL draws for somebody: what counts is who has called it.
            found = next((item for _, item in self._returns(registers) if not _is_crypto(item)), None)
            return found.path.removeprefix(self._tree + "/") if found is not None else "", False
        if kind == "environment" and self._is_librarys(registers.rip):
            return "", True
        returns = list(itertools.islice(self._returns(registers), NEAR))
        if not returns:
            return "", False
        harmless = kind == "clock" and self._is_waiting(returns)
        return returns[0][1].path.removeprefix(self._tree + "/"), harmless

    def _is_librarys(self, address: int) -> bool:
        """Whether code is the C library's, or that of start.so in its place."""
        found = at(self._maps, address)
        return found is not None and os.path.basename(found.path).startswith((*C_LIBRARIES, "start.so"))

    def _returns(self, registers: Registers) -> Iterator[tuple[int, Map]]:
        words = read_memory(self._pid, registers.rsp, 8 * WORDS)
        addresses = [registers.rip, *(int.from_bytes(words[i : i + 8], "little") for i in range(0, len(words), 8))]
        for index, address in enumerate(addresses):
            found = at(self._maps, address)
            if found is None or "x" not in found.rights or not found.path.startswith("/"):
                continue
            if os.path.basename(found.path).startswith(C_LIBRARIES):
                continue
            if index == 0 or follows_call(read_memory(self._pid, address - 8, 8)):
                yield address, found

    def _is_waiting(self, returns: list[tuple[int, Map]]) -> bool:
        """Whether a function that waits is among those that read the clock: each has called the one before it, so what
        was left on the stack by earlier calls does not count."""
        inside = returns[0][0]
        for index, (address, found) in enumerate(returns):
            if index == 0 or self._leads_to(address, inside):
                inside = address
                if self._waits(address, found):
                    return True
        return False

    def _leads_to(self, address: int, inside: int) -> bool:
        """Whether the call in front of an address is one of a function that another address is in."""
        code = read_memory(self._pid, address - 5, 5)
        if code[:1] != CALL:
            return False
        target = address + int.from_bytes(code[1:], "little", signed=True)
        stub = read_memory(self._pid, target, 11).removeprefix(ENDBR64).removeprefix(BND)
        if stub[:2] == JUMP_BY:
            # The table of calls into other libraries, or into this one.
            place = target + len(read_memory(self._pid, target, 11)) - len(stub) + 6
            target = read_word(self._pid, place + int.from_bytes(stub[2:6], "little", signed=True))
        return target <= inside < target + FUNCTION

    def _waits(self, address: int, found: Map) -> bool:
        if found.path not in self._waiting:
            functions = symbols_of(Path(found.path), WAITING)
            self._waiting[found.path] = [(value, value + size) for value, size in functions.values()]
            if os.path.basename(found.path).startswith(INTERPRETERS):
                self._waiting[found.path] += waiting_functions(Path(found.path))
        # The code is mapped at the address that the file says, from the place of the library on.
        place = address - self._base(found)
        return any(start < place <= end for start, end in self._waiting[found.path])

    def _base(self, found: Map) -> int:
        if is_fixed(Path(found.path)):
            return 0
        return min(item.start - item.offset for item in self._maps if item.path == found.path)


def _is_crypto(found: Map) -> bool:
    return os.path.basename(found.path).startswith("libcrypto")
