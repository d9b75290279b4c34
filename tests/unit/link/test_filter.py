"""The filters for machine code, rows of numbers and code of Python: what they change, and that it is undone."""

from __future__ import annotations

import ctypes
import io
import marshal
import re
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from freezer.base.errors import EnvironmentFailure
from freezer.link.payload import filter as filters_module
from freezer.link.payload.filter import (
    BLOCK,
    OBJECTS_HEAD,
    DamagedContent,
    Filter,
    Kind,
    filtered,
    library,
    rows,
)


def run(data: bytes, filters: Sequence[Filter], *, undo: bool = False) -> bytes:
    return b"".join(filtered(io.BytesIO(data).read, filters, len(data), undo=undo))


def run_code(data: bytes, code: tuple[int, int], *, undo: bool = False) -> bytes:
    return run(data, [Filter(Kind.CODE, *code)] if code[1] else [], undo=undo)


MAY_BEGIN = re.compile(b"[" + bytes(range(0x05, 0x40, 8)) + b"\xe8\xe9]")
"""The bytes before a displacement: all others are passed over at once."""


def model(code: bytes, place: int, total: int) -> bytes:
    """What filter.c does, told once more."""
    result = bytearray(code)
    for start in range(0, len(code), BLOCK):
        over = min(start + BLOCK, len(code))
        at = free = start
        while found := MAY_BEGIN.search(code, at, max(at, over - 4)):
            at = found.start()
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
    assert run_code(data, (3, len(data) - 3)) == data[:at] + struct.pack("<i", at + 4 + 40) + data[at + 4 :]


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
    assert run_code(data, (0, len(data))) == data


def test_only_the_code_is_changed() -> None:
    data = displaced("e8", 1) * 30
    changed = run_code(data, (36, 120))
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
    changed = run_code(total, (before, len(data)))
    assert changed == bytes(before) + model(data, before, len(total)) + bytes(behind)
    assert run_code(changed, (before, len(data)), undo=True) == total


@pytest.mark.parametrize("shift", range(-9, 3))
@pytest.mark.parametrize("size", [BLOCK, filters_module.STEP])
def test_at_the_ends_of_blocks_and_steps(size: int, shift: int) -> None:
    data = b"\x90" * (size + shift) + displaced("488d05", 33) + displaced("e8", 44) * 3
    for code in ((0, len(data)), (5, len(data) - 5)):
        changed = run_code(data, code)
        assert changed == data[: code[0]] + model(data[code[0] :], code[0], len(data)) != data
        assert run_code(changed, code, undo=True) == data


@given(st.binary(max_size=300), st.integers(2, 70))
@example(bytes(range(200)), 200)
def test_rows(data: bytes, width: int) -> None:
    """Each column comes as a whole; what makes no whole row stays at the end."""
    changed = rows(data, width)
    whole = len(data) // width * width
    assert changed == b"".join(data[:whole][column::width] for column in range(width)) + data[whole:]
    assert rows(changed, width, undo=True) == data


def test_rows_in_blocks() -> None:
    data = bytes(number * 7 % 251 for number in range(3 * BLOCK + 100))
    filters = [Filter(Kind.ROWS, 5, len(data) - 5, 24)]
    changed = run(data, filters)
    places = [5, 5 + BLOCK, 5 + 2 * BLOCK, 5 + 3 * BLOCK]
    assert changed == data[:5] + b"".join(rows(data[at : at + BLOCK], 24) for at in places)
    assert run(changed, filters, undo=True) == data


SOURCE = """
import os
class Case:
    "What it is."
    number, text, more = 12345678901234567890, "\u20ac", (1.5, 2j, None, ..., b"bytes")
    def method(self, *names, key=-1, **rest):
        try:
            return {name: [os.fspath(item) for item in rest] for name in names if name in {"a", "b"}}
        except (OSError, ValueError) as error:
            raise KeyError(key) from error
async def generator(first, /, second):
    async with first as item:
        yield lambda: (item, second)
"""
CODE_OBJECT = marshal.dumps(compile(SOURCE, "source.py", "exec"))
NUMBERS = 5 if sys.version_info >= (3, 11) else 6


def split(data: bytes, numbers: int = NUMBERS) -> Optional[bytes]:
    result = ctypes.create_string_buffer(len(data) + OBJECTS_HEAD)
    return result.raw if library().objects_split(data, result, len(data), numbers) else None


def join(data: bytes, size: int, numbers: int = NUMBERS) -> Optional[bytes]:
    result = ctypes.create_string_buffer(size)
    return result.raw if library().objects_join(data, result, size, numbers) else None


@pytest.mark.parametrize("version", [1, 4])
def test_code_objects(version: int) -> None:
    """What is alike is together, and comes apart again; so it is with several modules."""
    code = compile(SOURCE, "source.py", "exec")
    data = marshal.dumps(code, version) + marshal.dumps(compile("1", "f", "eval"), version)
    changed = split(data)
    if version == 1:
        assert changed is None  # numbers as text, which no code for Python has today
        return
    assert changed is not None
    sizes = struct.unpack_from("<10I", changed)
    assert sum(sizes) == len(data) and changed.index(code.co_code) >= OBJECTS_HEAD + sum(sizes[:8])
    assert join(changed, len(data)) == data
    assert split(data, 11 - NUMBERS) is None


@given(st.integers(0, len(CODE_OBJECT) - 1), st.binary(max_size=5), st.integers(0, 5))
def test_every_object_is_restored_or_refused(at: int, more: bytes, less: int) -> None:
    data = CODE_OBJECT[:at] + more + CODE_OBJECT[at + less :]
    changed = split(data)
    assert changed is None or join(changed, len(data)) == data


@given(st.integers(0, len(CODE_OBJECT) + OBJECTS_HEAD - 1), st.binary(min_size=1, max_size=4))
@example(0, b"\xff\xff\xff\xff")
def test_damaged_objects(at: int, wrong: bytes) -> None:
    """Whatever is joined, nothing is read or written elsewhere; the sanitizers look at that (test_fuzzing)."""
    changed = split(CODE_OBJECT)
    assert changed is not None
    damaged = (changed[:at] + wrong + changed[at + len(wrong) :])[: len(changed)]
    joined = join(damaged, len(CODE_OBJECT))
    assert joined is None or split(joined) is not None


def test_deep_objects() -> None:
    assert split(b")\1" * 999 + b"N") is not None
    assert split(b")\1" * 1001 + b"N") is None


def test_objects_in_a_file() -> None:
    data = b"head" + CODE_OBJECT + b"tail"
    filters = [Filter(Kind.OBJECTS, 4, len(CODE_OBJECT), NUMBERS)]
    changed = run(data, filters)
    assert changed == b"head" + (split(CODE_OBJECT) or b"") + b"tail"
    assert b"".join(filtered(io.BytesIO(changed).read, filters, len(data), undo=True)) == data
    with pytest.raises(DamagedContent):
        run(b"head" + CODE_OBJECT[:-1] + b"?tail", [Filter(Kind.OBJECTS, 3, len(CODE_OBJECT), NUMBERS)])


def test_filters_one_after_the_other() -> None:
    data = displaced("e8", 4) * 90
    code, table = Filter(Kind.CODE, 10, 300), Filter(Kind.ROWS, 400, 500, 8)
    others = [Filter(Kind.UNWINDING, 0, 9), Filter(Kind.SYMBOLS, 400, 500)]
    changed = run(data, [others[0], code, table, others[1]])
    assert changed[10:310] == run(data, [code])[10:310] != data[10:310]
    assert changed[400:900] == rows(data[400:900], 8) != data[400:900]
    assert (changed[:10], changed[310:400], changed[900:]) == (data[:10], data[310:400], data[900:])
    assert run(changed, [others[0], code, table, others[1]], undo=True) == data


def test_the_places_of_filters() -> None:
    item = Filter(Kind.CODE, 10, 5)
    assert item.over == 15
    assert [item.overlaps(at, 2) for at in (8, 9, 14, 15)] == [False, True, True, False]


def test_without_the_compiled_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freezer.link.launcher.BIN", tmp_path)
    filters_module.library.cache_clear()
    try:
        with pytest.raises(EnvironmentFailure, match=r"no filter\.so"):
            run_code(b"\xe8" * 9, (0, 9))
    finally:
        filters_module.library.cache_clear()
