"""Filters of system calls: the parts, and that the kernel takes them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support import PATIENCE

from freezer.base.isolation import seccomp
from freezer.base.isolation.seccomp import ALLOW_ALL, MACHINES, MOST_STEPS, argument, install

CODE = """
import ctypes, errno, os
from freezer.base.isolation.seccomp import *
from freezer.base.isolation.system import LIBC
LIBC.prctl(38, *map(ctypes.c_ulong, (1, 0, 0, 0)))
number = {number}
steps = [Step(LOAD, 0, 0, AT_NUMBER), Step(EQUAL, 0, 1, number), Step(RETURN, 0, 0, RETURN_ERROR | errno.EDOM)]
print(install([*steps, ALLOW_ALL]))
try:
    os.getpriority(0, 0)
except OSError as error:
    print(error.errno)
print(os.getpid() > 0)
"""


def test_the_kernel_takes_a_filter() -> None:
    number = {"x86_64": 140, "aarch64": 141}.get(os.uname().machine)
    if number is None:
        assert install([ALLOW_ALL]) is None
        return
    command = [sys.executable, "-c", CODE.format(number=number)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout.split() == ["0", str(errno.EDOM), "True"]


def test_what_no_machine_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert install([]) is None
    assert install([ALLOW_ALL] * (MOST_STEPS + 1)) is None
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="m68k"))
    assert install([ALLOW_ALL]) is None


def test_places_of_arguments() -> None:
    """As in struct seccomp_data: after a number, an architecture and an address."""
    assert [argument(number) for number in range(3)] == [16, 24, 32]
    assert set(MACHINES) == {"x86_64", "aarch64"}
    assert (seccomp.AT_NUMBER, seccomp.AT_ARCH) == (0, 4)
