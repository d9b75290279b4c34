"""Which variant of its machine code needs, as the ELF files themselves say.

On x86-64 that is the property ISA_1_NEEDED (x86-64 psABI, "Program Property"). Linkers write it for ``-z x86-64-v3``,
distributions for newer processors have it in their libraries, and the dynamic loader goes by it. On ARM it is
Tag_CPU_arch ("Addenda to, and Errata in, the ABI for the Arm Architecture": build attributes). Files of other machines,
and many of these, say nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Optional

from freezer.base.elf_file import ElfFile, NotElf, Section

CHOSEN_BY_LOADER = "glibc-hwcaps"
PT_GNU_PROPERTY, NT_GNU_PROPERTY_TYPE_0 = 0x6474E553, 5
ISA_1_NEEDED = 0xC0008002
NOTE = struct.Struct("<III")
ATTRIBUTES, AEABI, TAG_FILE, TAG_CPU_ARCH = ".ARM.attributes", b"aeabi", 1, 6
TEXT_TAGS, TAG_COMPATIBILITY = (4, 5), 32
ARM_VARIANTS = {**dict.fromkeys(range(1, 6), "v5"), **dict.fromkeys(range(6, 10), "v6"), 10: "v7"}
ARM_FROM_V8 = 14
"""The values of Tag_CPU_arch, those of microcontrollers left out."""


class Needs(NamedTuple):
    """The variant that code needs, and the file that says so; None if no file says anything."""

    variant: Optional[str] = None
    file: str = ""

    @property
    def rank(self) -> int:
        """Return a number that grows with the variant."""
        return rank_of(self.variant)


def rank_of(variant: Optional[str]) -> int:
    """Return a number that grows with a variant of amd64 or arm."""
    digits = (variant or "")[1:]
    return int(digits) if digits.isdecimal() else 0


def needs_of(paths: Iterable[Path]) -> Needs:
    """Return what the most demanding of ELF files needs. Damaged files say nothing, nor do those that the dynamic
    loader takes on processors of their variant alone."""
    found = Needs()
    for path in paths:
        if CHOSEN_BY_LOADER in path.parts:
            continue
        variant = needed_variant(path)
        if rank_of(variant) > found.rank:
            found = Needs(variant, path.name)
    return found


def needed_variant(path: Path) -> Optional[str]:
    """Return the variant that an ELF file needs; None if it does not say. Raises OSError if it cannot be read."""
    try:
        with open(path, "rb") as stream:
            file = ElfFile(stream, path)
            if file.machine == "EM_X86_64":
                return _of_x86(file)
            return _of_arm(file) if file.machine == "EM_ARM" else None
    except (NotElf, struct.error, IndexError, ValueError):
        return None


def _of_x86(file: ElfFile) -> Optional[str]:
    bits = 0
    for segment in file.segments():
        if segment.kind == PT_GNU_PROPERTY:
            for kind, value in _properties(file.read(segment.offset, segment.size)):
                if kind == ISA_1_NEEDED and len(value) == 4:
                    bits |= int.from_bytes(value, "little")
    return f"v{bits.bit_length()}" if bits else None


def _properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the properties in notes: their types and values."""
    at = 0
    while at + NOTE.size <= len(data):
        name_size, size, kind = NOTE.unpack_from(data, at)
        start = at + NOTE.size + -(-name_size // 4) * 4
        if kind == NT_GNU_PROPERTY_TYPE_0 and data[at + NOTE.size : at + NOTE.size + 4] == b"GNU\0":
            inner = start
            while inner + 8 <= min(start + size, len(data)):
                number, length = struct.unpack_from("<II", data, inner)
                yield number, data[inner + 8 : inner + 8 + length]
                inner += 8 + -(-length // 8) * 8
        at = start + -(-size // 8) * 8


def _of_arm(file: ElfFile) -> Optional[str]:
    section = file.section(ATTRIBUTES)
    architecture = _cpu_arch(_aeabi(file, section)) if section is not None else None
    if architecture is None:
        return None
    return "v8" if architecture >= ARM_FROM_V8 else ARM_VARIANTS.get(architecture)


def _aeabi(file: ElfFile, section: Section) -> bytes:
    """Return the attributes of the file as a whole that are the ABI's own."""
    data = file.read(section.offset, section.size)
    at = 1
    while data[:1] == b"A" and at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        vendor, _, inner = data[at + 4 : at + size].partition(b"\0")
        if vendor == AEABI and inner[:1] == bytes([TAG_FILE]):
            return inner[5 : int.from_bytes(inner[1:5], "little")]
        at += max(size, 4)
    return b""


def _cpu_arch(attributes: bytes) -> Optional[int]:
    """Return the value of Tag_CPU_arch among attributes; None if it is not there."""
    at = 0
    while at < len(attributes):
        tag, at = _uleb128(attributes, at)
        if tag in TEXT_TAGS or (tag > TAG_COMPATIBILITY and tag % 2):
            at = attributes.index(b"\0", at) + 1
            continue
        value, at = _uleb128(attributes, at)
        if tag == TAG_CPU_ARCH:
            return value
        if tag == TAG_COMPATIBILITY:
            at = attributes.index(b"\0", at) + 1
    return None


def _uleb128(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of several bytes, and the place behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
