"""Files with the sections of a library and nothing else, for the tests of what reads sections."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER, SECTION = struct.Struct("<4sBBBB8xHHIQQQIHHHHHH"), struct.Struct("<IIQQQQIIQQ")


@dataclass(frozen=True)
class Part:
    """A section; ``kind``, ``flags`` and ``width`` are those of its header."""

    name: str
    data: bytes
    kind: int = 1
    flags: int = 0
    width: int = 0


def library(*parts: Part, machine: int = 62) -> bytes:
    """An ELF file with these sections, one right after the other; the names and the headers come last."""
    names = b"\0" + b"".join(part.name.encode() + b"\0" for part in parts) + b".shstrtab\0"
    content = b""
    headers = [SECTION.pack(*[0] * 10)]
    for part in (*parts, Part(".shstrtab", names, kind=3)):
        place = names.index(part.name.encode() + b"\0")
        offset = HEADER.size + len(content)
        headers.append(SECTION.pack(place, part.kind, part.flags, 0, offset, len(part.data), 0, 0, 1, part.width))
        content += part.data
    start = HEADER.size + len(content)
    numbers = (3, machine, 1, 0, 0, start, 0, HEADER.size, 56, 0, SECTION.size, len(headers), len(headers) - 1)
    return HEADER.pack(b"\x7fELF", 2, 1, 1, 0, *numbers) + content + b"".join(headers)
