"""What is where in a process's memory, and the symbols of its libraries."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple, Optional

from freezer.base.elf_file import ElfFile, NotElf

SYMBOL = struct.Struct("<IBBHQQ")
DATA, FUNCTION, INDIRECT = 1, 2, 10


class Map(NamedTuple):
    """A line of /proc/PID/maps (proc(5))."""

    start: int
    end: int
    rights: str
    offset: int
    path: str


def maps_of(pid: int) -> list[Map]:
    """Return the memory of a process, by address."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            fields = line.rstrip("\n").split(None, 5)
            start, _, end = fields[0].partition("-")
            path = fields[5] if len(fields) > 5 else ""
            found.append(Map(int(start, 16), int(end, 16), fields[1], int(fields[2], 16), path))
    return found


def at(maps: list[Map], address: int) -> Optional[Map]:
    """Return the map that an address is in."""
    return next((item for item in maps if item.start <= address < item.end), None)


def follows_call(before: bytes) -> bool:
    """Return whether the bytes in front of an address end in a call: then a function can return to it."""
    if before[-5:-4] == b"\xe8":
        return True
    # call through a register or memory: FF with 2 in the middle of the next byte; it has 2, 3, 4, 6 or 7 bytes.
    return any(before[-size] == 0xFF and before[-size + 1] & 0x38 == 0x10 for size in (2, 3, 4, 6, 7))


def is_fixed(path: Path) -> bool:
    """Return whether a program is mapped where its file says, and not wherever there is room."""
    try:
        with open(path, "rb") as stream:
            return ElfFile(stream, path).kind == "ET_EXEC"
    except (OSError, NotElf):
        return False


def symbols_of(path: Path, names: frozenset[str]) -> dict[str, tuple[int, int]]:
    """Return the addresses, in the file, and the sizes of what a library has under these names."""
    found = {}
    try:
        with open(path, "rb") as stream:
            file = ElfFile(stream, path)
            table = file.section(".dynsym")
            strings = file.section(".dynstr")
            if table is None or strings is None:
                return {}
            for name, info, _, section, value, size in SYMBOL.iter_unpack(file.read(table.offset, table.size)):
                if section and info & 15 in (DATA, FUNCTION, INDIRECT):
                    text = file.string(strings.offset + name)
                    if text in names:
                        found[text] = value, size
    except (OSError, NotElf, struct.error):
        return {}
    return found
