"""The filter that reports reads of known places. That it does, in a cell, is tried in test_sandbox.py."""

from __future__ import annotations

import os
import socket
import struct
from types import SimpleNamespace

import pytest

from freezer.base.isolation import seccomp
from freezer.base.isolation.seccomp import RETURN_ALLOW
from freezer.prove.sandbox import reads
from freezer.prove.sandbox.reads import NR_PREAD64, filter_for, hand_over, install_filter, take_over

AUDIT_ARCH_X86_64 = seccomp.MACHINES["x86_64"].arch
PLACES = [(4096, 10), (5_000_000_000, 20)]


def decision(arch: int, number: int, offset: int) -> int:
    """What the filter decides of a system call, by the rules of the kernel's machine."""
    data = struct.pack("=iIQ6Q", number, arch, 0, 3, 0, 10, offset, 0, 0)
    steps, at, value = filter_for(PLACES), 0, 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        if code == seccomp.LOAD:
            (value,) = struct.unpack_from("=I", data, operand)
        elif code == seccomp.EQUAL:
            at += if_true if value == operand else if_false
        else:
            assert code == seccomp.RETURN
            return operand


@pytest.mark.parametrize(
    ("arch", "number", "offset", "wanted"),
    [
        (AUDIT_ARCH_X86_64, NR_PREAD64, 4096, reads.RET_USER_NOTIF),
        (AUDIT_ARCH_X86_64, NR_PREAD64, 5_000_000_000, reads.RET_USER_NOTIF),
        (AUDIT_ARCH_X86_64, NR_PREAD64, 4097, RETURN_ALLOW),
        (AUDIT_ARCH_X86_64, NR_PREAD64 + 1, 4096, RETURN_ALLOW),
        (0x40000003, NR_PREAD64, 4096, RETURN_ALLOW),
    ],
)
def test_what_is_reported(arch: int, number: int, offset: int, wanted: int) -> None:
    assert decision(arch, number, offset) == wanted


def test_no_filter_without_places_or_with_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert install_filter([]) is None
    assert install_filter([(number, 1) for number in range(reads.MOST + 1)]) is None
    assert len(filter_for([(number, 1) for number in range(reads.MOST)])) <= 4096
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="aarch64", release="6.1.0"))
    assert install_filter(PLACES) is None


@pytest.mark.parametrize(
    ("release", "numbers"), [("6.1.0-18-amd64", (6, 1)), ("5.4.0", (5, 4)), ("4.18.0-553.el8", (4, 18)), ("odd", ())]
)
def test_no_filter_on_kernels_that_cannot_go_on(
    monkeypatch: pytest.MonkeyPatch, release: str, numbers: tuple[int, ...]
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="x86_64", release=release))
    assert reads.version_of(release) == numbers
    if numbers < reads.OLDEST_KERNEL:
        assert install_filter(PLACES) is None


def test_a_descriptor_is_handed_over() -> None:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    hand_over(writing, theirs)
    received = take_over(ours)
    assert received is not None and received != writing
    os.write(received, b"there")
    assert os.read(reading, 9) == b"there"
    hand_over(None, theirs)
    assert take_over(ours) is None
    theirs.close()
    assert take_over(ours) is None
    ours.close()
    for descriptor in (reading, writing, received):
        os.close(descriptor)
