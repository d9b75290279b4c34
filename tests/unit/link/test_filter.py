"""The filter for machine code: what it changes, that it is undone, and that what is packed with it becomes smaller."""

from __future__ import annotations

import io
import os
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from freezer.base.elf import read_elf
from freezer.base.errors import EnvironmentFailure
from freezer.link.payload import filter as code_filter
from freezer.link.payload.filter import LARGEST, code_of, filtered
from freezer.link.payload.pack import Record, Type, write
from freezer.plan.choices import Packing

BLOCK = 1 << 16


def run(data: bytes, code: tuple[int, int], *, undo: bool = False) -> bytes:
    return b"".join(filtered(io.BytesIO(data).read, code, len(data), undo=undo))


def model(code: bytes, place: int, total: int) -> bytes:
    """What filter.c does, told once more."""
    result = bytearray(code)
    for start in range(0, len(code), BLOCK):
        over = min(start + BLOCK, len(code))
        at = free = start
        while at + 4 < over:
            call = code[at] in (0xE8, 0xE9)
            prefix = code[at - 2] if at >= free + 2 else None
            if not call and not (
                code[at] & 0xC7 == 5 and prefix is not None and (prefix & 0xF8 == 0x48 or prefix == 15)
            ):
                at += 1
                continue
            end = place + at + 5
            (value,) = struct.unpack_from("<i", code, at + 1)
            if -end <= value < total - end:
                value += end
            elif total - end <= value < total:
                value -= total
            struct.pack_into("<i", result, at + 1, value)
            at = free = at + 5
    return bytes(result)


def displaced(data: str, value: int, fill: int = 0x90) -> bytes:
    return bytes.fromhex(data) + struct.pack("<i", value) + bytes([fill]) * 7


@pytest.mark.parametrize(
    ("code", "operand"),
    [
        ("e8", 1),  # call
        ("e9", 1),  # jmp
        ("488d05", 3),  # lea rax, [rip+...]
        ("4c8b2d", 3),  # mov r13, [rip+...]
        ("0fb605", 3),  # movzx eax, byte [rip+...]
        ("0f283d", 3),  # movaps xmm7, [rip+...]
    ],
)
def test_displacements_become_positions(code: str, operand: int) -> None:
    data = b"\x90" * 20 + displaced(code, 40) + bytes(200)
    at = 20 + operand
    assert run(data, (3, len(data) - 3)) == data[:at] + struct.pack("<i", at + 4 + 40) + data[at + 4 :]


@pytest.mark.parametrize(
    "data",
    [
        displaced("8b05", 40),  # without a prefix
        displaced("488d45", 40),  # relative to another register
        displaced("c3", 40),
        b"\xe8" + struct.pack("<i", 40)[:3],  # cut off
        displaced("e8", 10_000_000),  # out of the file, and no value that another one needs
        displaced("e8", -10_000_000),
    ],
    ids=range(6),
)
def test_what_stays(data: bytes) -> None:
    assert run(data, (0, len(data))) == data


def test_only_the_code_is_changed() -> None:
    data = displaced("e8", 1) * 30
    changed = run(data, (36, 120))
    assert (changed[:36], changed[156:]) == (data[:36], data[156:])
    assert changed[36:156] == model(data[36:156], 36, len(data)) != data[36:156]


CODE = st.lists(
    st.one_of(
        st.binary(max_size=9),
        st.sampled_from([b"\xe8", b"\xe9", b"\x48\x8d\x05", b"\x0f\xb6\x3d", b"\x05", b"\x48", b"\xff\xff\xff"]),
        st.integers(-400, 400).map(lambda value: struct.pack("<i", value)),
    )
).map(b"".join)


@given(CODE, st.integers(0, 60), st.integers(0, 60))
@example(b"\xe8" * 300, 0, 0)
@example(b"\x48\x8d\x05" * 100, 7, 1)
def test_undone(data: bytes, before: int, behind: int) -> None:
    total = bytes(before) + data + bytes(behind)
    changed = run(total, (before, len(data)))
    assert changed == bytes(before) + model(data, before, len(total)) + bytes(behind)
    assert run(changed, (before, len(data)), undo=True) == total


@pytest.mark.parametrize("shift", range(-9, 3))
@pytest.mark.parametrize("size", [BLOCK, code_filter.STEP])
def test_at_the_ends_of_blocks_and_steps(size: int, shift: int) -> None:
    data = b"\x90" * (size + shift) + displaced("488d05", 33) + displaced("e8", 44) * 3
    for code in ((0, len(data)), (5, len(data) - 5)):
        changed = run(data, code)
        assert changed == data[: code[0]] + model(data[code[0] :], code[0], len(data)) != data
        assert run(changed, code, undo=True) == data


def test_the_code_of_a_program() -> None:
    program = Path(sys.executable).resolve()
    code = code_of(program)
    assert code is not None
    offset, size = code
    assert offset % 4096 == 0 and 0 < size < program.stat().st_size
    data = program.read_bytes()
    assert run(run(data, code), code, undo=True) == data


HEADER = struct.pack("<4sBB10xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)


def segment(flags: int, offset: int, size: int, kind: int = 1) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, offset, 0, 0, size, size, 4096)


def elf(*segments: bytes, header: bytes = HEADER) -> bytes:
    return (header + b"".join(segments)).ljust(400, b"\0")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (elf(segment(5, 200, 90), segment(6, 0, 200)), (200, 90)),
        (elf(segment(5, 200, 90), segment(5, 300, 100)), (300, 100)),
        (elf(segment(4, 200, 90), segment(6, 0, 200)), None),
        (elf(segment(5, 200, 90, kind=2), segment(6, 0, 200)), None),
        (elf(segment(5, 390, 11), segment(6, 0, 200)), None),
        (elf(segment(5, 1 << 63, 1 << 63), segment(6, 0, 200)), None),
        (elf(segment(5, 200, 90), segment(6, 0, 200), header=HEADER.replace(b"F\2\1", b"F\1\1")), None),  # of 32 bits
        (elf(segment(5, 200, 90), segment(6, 0, 200), header=HEADER.replace(b"\x3e", b"\xb7")), None),  # for ARM
        (elf(segment(5, 200, 90))[:70], None),
        (elf(header=HEADER.replace(struct.pack("<Q", 64), b"\xff" * 8, 1)), None),
        (elf(header=HEADER.replace(struct.pack("<Q", 64), struct.pack("<Q", 1 << 62), 1)), None),
        (HEADER[:40], None),
        (b"", None),
        (b"#!/bin/sh\n" * 50, None),
    ],
    ids=range(14),
)
def test_the_code_of_other_files(data: bytes, code: object, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert code_of(path) == code


def test_the_largest_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(elf(segment(5, 200, 90), segment(6, 0, 200)))
    os.truncate(path, LARGEST)
    assert code_of(path) == (200, 90)
    os.truncate(path, LARGEST + 1)
    assert code_of(path) is None


@pytest.mark.parametrize("compression", [Packing.FAST, Packing.SMALL])
def test_programs_become_smaller(compression: Packing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = tmp_path / "launcher"
    launcher.write_bytes(b"")
    loader = read_elf(Path(sys.executable)).interpreter
    assert loader is not None
    records = [Record(Type.FILE, "loader", source=Path(loader))]
    size = write(launcher, records, compression, tmp_path / "filtered").size
    monkeypatch.setattr("freezer.link.payload.pack.code_of", lambda path: None)
    assert size < 0.98 * write(launcher, records, compression, tmp_path / "plain").size


def test_without_the_compiled_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.link.launcher.BIN", tmp_path)
    code_filter._library.cache_clear()
    try:
        with pytest.raises(EnvironmentFailure, match=r"no filter\.so"):
            run(b"\xe8" * 9, (0, 9))
    finally:
        code_filter._library.cache_clear()
