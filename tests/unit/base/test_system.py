"""System calls, and children that inherit no more than they should."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE, attended, processes_with, wait_until

from freezer.base.isolation.system import IsolationError, forked, libc, seal_descriptors


def python(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    """What a fresh process does with the module's functions."""
    code = "from freezer.base.isolation.system import *\nimport os, signal, sys\n" + code
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=PATIENCE, **options
    )


def test_a_call_that_fails_names_the_step() -> None:
    with pytest.raises(IsolationError, match="leave: No such file or directory") as caught:
        libc("chroot", "leave", b"/no/such/place")
    assert (caught.value.step, caught.value.code) == ("leave", errno.ENOENT)
    libc("access", "look", b"/", os.F_OK)


def test_a_child_ends_after_its_work(tmp_path: Path) -> None:
    child = forked((tmp_path / "done").touch)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("raised", ["ValueError('no')", "SystemExit(0)", "KeyboardInterrupt()"])
def test_a_child_that_fails_says_why(raised: str) -> None:
    """Also what usually ends a process quietly must not go on in a copy of the parent."""
    code = f"def body(): raise {raised}\nprint(os.waitstatus_to_exitcode(os.waitpid(forked(body), 0)[1]), flush=True)"
    done = python(code)
    assert done.stdout == "1\n"
    assert raised.partition("(")[0] in done.stderr


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    mark = f"mark-{tmp_path.name}"
    code = "forked(lambda: signal.pause())\nprint(flush=True)\nsignal.pause()"
    code = "from freezer.base.isolation.system import *\nimport signal\n" + code
    with attended([sys.executable, "-c", code, mark], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(processes_with(mark)) == 2
    wait_until(lambda: not processes_with(mark), "the child to die")


def test_signals_are_as_at_the_start_of_a_process() -> None:
    """What is ignored or blocked would be so in every program that is executed."""
    code = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
reset_signals()
import subprocess
lines = open("/proc/self/status").read().splitlines()
print(*(line.split()[1] for line in lines if line.startswith(("SigBlk:", "SigIgn:"))))
"""
    done = python(code)
    assert (done.stdout.split(), done.stderr) == (["0" * 16, "0" * 16], "")


def test_no_descriptor_is_inherited() -> None:
    reading, writing = os.pipe()
    try:
        os.set_inheritable(writing, True)
        seal_descriptors()
        assert not os.get_inheritable(writing)
        assert all(os.get_inheritable(number) for number in range(3))
    finally:
        os.close(reading)
        os.close(writing)


def test_signal_numbers_that_nobody_can_change_are_left() -> None:
    assert python("reset_signals(); print(signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL)").stdout == "True\n"
    assert signal.SIGKILL in signal.valid_signals()
