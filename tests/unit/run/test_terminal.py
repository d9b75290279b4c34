"""Whose the terminal is, tried at one. What becomes of an application there is in test_image_run.py."""

from __future__ import annotations

import os
import pty
import sys

import pytest

from freezer.run.terminal import in_foreground, kind_of_terminal

HEAD = """
import os, signal, sys, termios
from freezer.run.terminal import *
"""


def at_terminal(code: str) -> str:
    """What a process prints that leads a session at a new terminal."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", HEAD + code])
    text = b""
    try:
        while data := os.read(terminal, 4096):
            text += data
    except OSError:
        pass  # its end is EIO
    os.close(terminal)
    assert os.waitpid(child, 0)[1] == 0, text
    return text.decode().replace("\r\n", "\n")


def test_in_the_foreground() -> None:
    assert at_terminal("print(in_foreground(), own_terminal() is not None)") == "True True\n"


@pytest.mark.parametrize("number", [0, 1])
def test_not_for_pipes(number: int) -> None:
    code = f"""
shown = os.dup(2)
os.dup2(os.open("/dev/null", os.O_RDWR), {number})
os.write(shown, str(own_terminal()).encode() + kind_of_terminal({{"TERM": "vt"}}).encode())
"""
    assert at_terminal(code) == "Nonevt"


def test_not_in_the_background() -> None:
    code = """
if os.fork() == 0:
    os.setpgid(0, 0)
    print(in_foreground(), own_terminal(), flush=True)
    os._exit(0)
os.wait()
"""
    assert at_terminal(code) == "False None\n"


def test_it_is_taken_back_as_it_was() -> None:
    code = """
terminal = own_terminal()
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    settings = termios.tcgetattr(0)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(0, termios.TCSANOW, settings)
    os._exit(0)
os.wait()
before = [terminal.is_ours(), bool(termios.tcgetattr(0)[3] & termios.ECHO)]
terminal.take_back()
print(before, [terminal.is_ours(), bool(termios.tcgetattr(0)[3] & termios.ECHO)])
print(signal.getsignal(signal.SIGTTOU) is signal.SIG_DFL)
"""
    assert at_terminal(code) == "[False, False] [True, True]\nTrue\n"


def test_without_a_terminal() -> None:
    reading, writing = os.pipe()
    before = os.dup(0)
    try:
        os.dup2(reading, 0)
        assert not in_foreground()
    finally:
        os.dup2(before, 0)
        for descriptor in (before, reading, writing):
            os.close(descriptor)
    assert kind_of_terminal({}) is None
