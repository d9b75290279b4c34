"""Whose code makes a system call: the stack of a stopped thread, read from outside.

Without debugging information nobody can walk a stack for certain. A word on it that points behind a call instruction is
where a function returns to, or was so earlier. The first of these is right: the C library's wrappers of system calls
keep nothing on the stack that could look like it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from freezer.prove.snapshot.memory import Map, at, follows_call, functions_of, maps_of
from freezer.prove.snapshot.ptrace import Registers, read_memory

WORDS = 64
"""How much of the stack is looked at."""
C_LIBRARIES = ("libc.so", "libc-", "libpthread", "ld-linux", "ld-2")
WAITING = frozenset(
    ("PyThread_acquire_lock_timed", "PyThread_acquire_lock_timed_with_retries", "_PyMutex_LockTimed", "_PyParkingLot_Park")
)
"""Functions of the interpreter that read the clock only to know when to stop waiting."""
NEAR = 3
"""How many functions may be between such a one and the clock."""


class Callers:
    """Knows the code that is in a process."""

    def __init__(self, pid: int, tree: str) -> None:
        self._pid, self._tree = pid, tree
        self._waiting: dict[str, list[tuple[int, int]]] = {}

    def of(self, registers: Registers, kind: str) -> tuple[str, bool]:
        """Return the library, other than the C library, that an event of a kind comes from, and whether it is a clock
        that is read only to wait."""
        library, harmless = "", False
        for number, (address, found) in enumerate(self._returns(registers)):
            library = library or found.path.removeprefix(self._tree + "/")
            if kind != "clock" or number >= NEAR:
                break
            harmless = harmless or self._waits(address, found)
        return library, harmless

    def _returns(self, registers: Registers) -> Iterator[tuple[int, Map]]:
        maps = maps_of(self._pid)
        words = read_memory(self._pid, registers.rsp, 8 * WORDS)
        addresses = [registers.rip, *(int.from_bytes(words[i : i + 8], "little") for i in range(0, len(words), 8))]
        for index, address in enumerate(addresses):
            found = at(maps, address)
            if found is None or "x" not in found.rights or not found.path.startswith("/"):
                continue
            if os.path.basename(found.path).startswith(C_LIBRARIES):
                continue
            if index == 0 or follows_call(read_memory(self._pid, address - 8, 8)):
                yield address, found

    def _waits(self, address: int, found: Map) -> bool:
        if found.path not in self._waiting:
            functions = functions_of(Path(found.path), WAITING)
            self._waiting[found.path] = [(value, value + size) for value, size in functions.values()]
        # The code is mapped at the address that the file says, from the place of the library on.
        place = address - self._base(found)
        return any(start < place <= end for start, end in self._waiting[found.path])

    def _base(self, found: Map) -> int:
        return min(item.start - item.offset for item in maps_of(self._pid) if item.path == found.path)
