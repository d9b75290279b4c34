"""Functions of the interpreter that read the clock only to know when to stop waiting.

Some interpreters, such as Debian's, have the code that acquires a lock inside many functions without a name. They are
found by what they do: a function that calls for a semaphore, and reads the clock, does so for the time at which to give
up. Where functions begin and end is in .eh_frame (Linux Standard Base, "Exception Frames"), which all programs have.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from freezer.base.elf_file import ElfFile
from freezer.prove.snapshot.memory import SYMBOL

WAITING = frozenset(
    (
        b"sem_wait",
        b"sem_trywait",
        b"sem_timedwait",
        b"sem_clockwait",
        b"pthread_cond_timedwait",
        b"pthread_cond_clockwait",
    )
)
RELOCATION = struct.Struct("<QQq")
STUB = re.compile(rb"\xff\x25(....)", re.DOTALL)
"""jmp through memory: what a call into another library goes by."""
BEFORE_STUB = (0, 4, 5)
"""Bytes in front of that which may belong to it: endbr64, and a prefix of the jump."""
CALL = re.compile(rb"\xe8(?=(....))", re.DOTALL)
CALL_BY = re.compile(rb"\xff\x15(?=(....))", re.DOTALL)
EXECUTABLE = 1
PT_LOAD = 1
RELATIVE_WORDS = 0x3B
"""DW_EH_PE_datarel | DW_EH_PE_sdata4, how the table of functions is written by all linkers."""
LONGEST = 4096
"""Bytes of a function that may be one of these; a longer one has something else to do, too."""


def waiting_functions(path: Path) -> list[tuple[int, int]]:
    """Return where such functions begin and end, by address in the file; none of a file that has no such tables."""
    try:
        with open(path, "rb") as stream:
            code = _Code(ElfFile(stream, path), path.read_bytes())
            return code.functions_that_wait()
    except (OSError, ValueError, LookupError, StopIteration, struct.error):  # there is none, or it is damaged
        return []


class _Code:
    """The code of a file, and the tables about it."""

    def __init__(self, file: ElfFile, data: bytes) -> None:
        self._file, self._data = file, data
        self._loaded = [segment for segment in file.segments() if segment.kind == PT_LOAD]

    def functions_that_wait(self) -> list[tuple[int, int]]:
        """Return (begin, end) of each."""
        slots = self._slots()
        stubs = {
            address - before for address, place in self._jumps(STUB, slots) if place in slots for before in BEFORE_STUB
        }
        calls = [address for address, target in self._jumps(CALL, stubs) if target in stubs]
        calls += [address for address, place in self._jumps(CALL_BY, slots) if place in slots]
        starts, ends = self._functions()
        found = set()
        for address in calls:
            index = bisect_right(starts, address) - 1
            if index >= 0 and address < ends[index] <= starts[index] + LONGEST:
                found.add((starts[index], ends[index]))
        return sorted(found)

    def _slots(self) -> set[int]:
        """Return where the addresses of those functions are put when the file is loaded."""
        symbols, strings = self._bytes_of(".dynsym"), self._bytes_of(".dynstr")
        names = [strings[name : strings.index(b"\0", name)] in WAITING for name, *_ in SYMBOL.iter_unpack(symbols)]
        return {
            place
            for table in (".rela.plt", ".rela.dyn")
            for place, info, _ in RELOCATION.iter_unpack(self._bytes_of(table))
            if info >> 32 < len(names) and names[info >> 32]
        }

    def _bytes_of(self, name: str) -> bytes:
        section = self._file.section(name)
        return self._data[section.offset : section.offset + section.size] if section is not None else b""

    def _jumps(self, what: re.Pattern[bytes], wanted: set[int]) -> Iterator[tuple[int, int]]:
        """Return the addresses of instructions of a kind, and the addresses that they go to or by."""
        if not wanted:
            return
        for segment in self._loaded:
            if segment.flags & EXECUTABLE:
                for match in what.finditer(self._data, segment.offset, segment.offset + segment.size):
                    address = segment.address + match.start() - segment.offset
                    behind = address + match.start(1) + 4 - match.start()
                    yield address, behind + int.from_bytes(match[1], "little", signed=True)

    def _functions(self) -> tuple[list[int], list[int]]:
        """Return where functions begin, in order, and where each ends."""
        section = self._file.section(".eh_frame_hdr")
        if section is None or self._data[section.offset + 3] != RELATIVE_WORDS:
            return [], []
        begin = self._address(section.offset)
        count = int.from_bytes(self._data[section.offset + 8 : section.offset + 12], "little")
        starts, ends = [], []
        for start, entry in struct.iter_unpack(
            "<ii", self._data[section.offset + 12 : section.offset + 12 + 8 * count]
        ):
            place = self._place(begin + entry)
            starts.append(begin + start)
            # Behind its length, the place of what it has in common with others, and its begin.
            ends.append(begin + start + int.from_bytes(self._data[place + 12 : place + 16], "little"))
        return starts, ends

    def _address(self, offset: int) -> int:
        return next(s.address + offset - s.offset for s in self._loaded if s.offset <= offset < s.offset + s.size)

    def _place(self, address: int) -> int:
        return next(s.offset + address - s.address for s in self._loaded if s.address <= address < s.address + s.size)
