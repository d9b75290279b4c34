"""What the filter forbids, decided by the rules of the kernel's machine, and by the kernel."""

from __future__ import annotations

import errno
import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE, lacking

from freezer.base.isolation import seccomp
from freezer.base.isolation.confinement import (
    ABSENT,
    AF_VSOCK,
    DENIED,
    JUDGED,
    MACHINE_NAMES,
    confining_filter,
)
from freezer.base.isolation.seccomp import MACHINES, RETURN_ALLOW, RETURN_ERROR

EPERM, ENOSYS = RETURN_ERROR | errno.EPERM, RETURN_ERROR | errno.ENOSYS
I386 = 0x40000003
HEADERS = {"x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "/usr/include/asm-generic/unistd.h"}


def decision(machine: str, number: int, *arguments: int, arch: int = 0) -> int:
    """What the filter decides of a system call."""
    six = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, arch or MACHINES[machine].arch, 0, *six)
    steps, at, value = confining_filter(machine), 0, 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        if code == seccomp.LOAD:
            (value,) = struct.unpack_from("=I", data, operand)
        elif code == seccomp.RETURN:
            return operand
        else:
            tests = {seccomp.EQUAL: value == operand, seccomp.AT_LEAST: value >= operand}
            tests[seccomp.ANY_BIT] = bool(value & operand)
            at += if_true if tests[code] else if_false


@pytest.mark.parametrize("machine", MACHINE_NAMES)
def test_what_is_forbidden(machine: str) -> None:
    column = MACHINE_NAMES.index(machine)
    for table, wanted in ((DENIED, EPERM), (ABSENT, ENOSYS)):
        for numbers in table.values():
            if numbers[column] is not None:
                assert decision(machine, numbers[column] or 0) == wanted
    assert decision(machine, MACHINES[machine].seccomp) == RETURN_ALLOW
    assert decision(machine, 3 if machine == "x86_64" else 57) == RETURN_ALLOW  # close
    assert decision(machine, 57, arch=I386) == ENOSYS
    if machine == "x86_64":
        assert decision(machine, 0x40000000 + 56) == ENOSYS


@pytest.mark.parametrize("machine", MACHINE_NAMES)
@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("clone", (17,), RETURN_ALLOW),
        ("clone", (0x003D0F00,), RETURN_ALLOW),  # what a thread is made with
        *(("clone", (17 | flag,), EPERM) for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000)),
        *(("clone", (17 | flag,), EPERM) for flag in (0x10000000, 0x20000000, 0x40000000)),
        ("clone", (0xFFFFFFFF10000011,), EPERM),
        ("ioctl", (0, 0x5401), RETURN_ALLOW),
        ("ioctl", (0, 0x5412), EPERM),
        ("ioctl", (0, 0x100005412), EPERM),  # the kernel looks at the lower half alone
        ("ioctl", (0, 0x541C), EPERM),
        ("socket", (2,), RETURN_ALLOW),
        ("socket", (AF_VSOCK,), EPERM),
        ("socket", (AF_VSOCK | 1 << 32,), EPERM),
    ],
)
def test_what_is_judged_by_its_arguments(machine: str, name: str, arguments: tuple[int, ...], wanted: int) -> None:
    assert decision(machine, getattr(JUDGED[machine], name), *arguments) == wanted


@pytest.mark.parametrize("machine", MACHINE_NAMES)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    header = Path(HEADERS[machine])
    if not header.is_file():
        lacking(f"there is no {header}")
    text = header.read_text()
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    column = MACHINE_NAMES.index(machine)
    wanted = {name: item[column] for name, item in (DENIED | ABSENT).items()} | JUDGED[machine]._asdict()
    assert {name: number for name, number in wanted.items() if numbers.get(name) != number and number is not None} == {}
    assert {name for name, number in wanted.items() if number is None} & set(numbers) == set()


CODE = """
import ctypes, errno, fcntl, json, os, pty, socket, threading
from freezer.base.isolation.confinement import confine
from freezer.base.isolation.system import LIBC

LIBC.prctl(38, *map(ctypes.c_ulong, (1, 0, 0, 0)))
confine()
def failed(answer):
    return errno.errorcode[ctypes.get_errno()] if answer < 0 else "no"
def tried(act, *arguments):
    try:
        act(*arguments)
        return "no"
    except OSError as error:
        return errno.errorcode[error.errno]
results = [failed(LIBC.unshare(0x10000000)), failed(LIBC.mount(b"a", b"/", b"tmpfs", 0, None))]
master, slave = os.openpty()
results.append(tried(fcntl.ioctl, slave, 0x5412, b"x"))
results.append(tried(socket.socket, 40, socket.SOCK_STREAM))
results.append(failed(LIBC.syscall(*map(ctypes.c_long, NUMBERS))))
thread = threading.Thread(target=lambda: results.append("thread"))
thread.start(); thread.join()
results.append(os.popen("echo shell").read().strip())
print(json.dumps(results))
"""


def test_the_kernel_decides_so() -> None:
    machine = os.uname().machine
    if machine not in MACHINE_NAMES:
        lacking("it is another machine")
    number = DENIED["keyctl"][MACHINE_NAMES.index(machine)]
    code = CODE.replace("NUMBERS", f"({number}, 0, -3, 1)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["EPERM"] * 5 + ["thread", "shell"]
