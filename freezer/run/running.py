"""Starting an application in a cell, and standing between it and the caller: signals, terminal, status.

freezer passes on every signal that it gets. With the caller's terminal, the application gets those of the keyboard from
there; without it they reach freezer's process group, and are passed on to the application's.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from types import FrameType
from typing import IO, Any, Optional

from freezer.base.errors import FreezerError, NotExecutable, NotFound, NotRun
from freezer.base.isolation import command_of
from freezer.base.job import memory_file
from freezer.base.log import Log
from freezer.base.processes import die_with_parent, signals_held
from freezer.run.cell import CELL, FOREGROUND, GROUP
from freezer.run.cgroups import Group
from freezer.run.container import Container
from freezer.run.image_roots import ImageRoot
from freezer.run.terminal import Terminal, in_foreground, own_terminal

FROM_KEYBOARD = (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH)
"""Signals that a terminal sends to a whole process group."""
PASSED_ON = (*FROM_KEYBOARD, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
STOPPING = (signal.SIGTSTP, signal.SIGCONT)
KILLED = 128 + signal.SIGKILL
START = "start "


def run_container(container: Container, root: ImageRoot, group: Group, *, no_input: bool, log: Log) -> int:
    """Run an application to its end; return its exit status, 128 + n if signal n has ended it.

    With ``no_input`` its standard input is empty. Raises NotRun if it cannot be started.
    """
    terminal = None if no_input else own_terminal()
    # In the background, it would take from the terminal what the shell in the foreground should read.
    nothing = no_input or (terminal is None and os.isatty(0) and not in_foreground())
    request = request_of(container, root, group, terminal is not None)
    with _caught() as caught, memory_file(json.dumps(request).encode()) as file:
        keeper, report, control = _started(file.fileno(), nothing=nothing)
        try:
            status = Attendance(caught, report, control, terminal, log).until_end()
        finally:
            # init ends with this descriptor, and the kernel ends all the rest with init.
            control.close()
            report.close()
            keeper.wait()
            if terminal is not None:
                terminal.take_back()
    if status is None:
        raise NotRun("the application was lost", why="something has killed the process that keeps it")
    if status == KILLED and group.killed_for_memory():
        log.warning("the application was killed: it needed more memory than --memory permits")
    return status


def _started(request: int, *, nothing: bool) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
    """Start the cell; return it, its reports, and where it reads what to do."""
    report, told = os.pipe()
    heard, control = os.pipe()
    try:
        with signals_held() as mask:
            keeper = subprocess.Popen(
                command_of(CELL, request, heard, told),
                stdin=subprocess.DEVNULL if nothing else None,
                pass_fds=(request, heard, told),
                preexec_fn=die_with_parent(mask),
            )
    finally:
        os.close(told)
        os.close(heard)
    return keeper, open(report, "rb", buffering=0), open(control, "wb", buffering=0)


def request_of(container: Container, root: ImageRoot, group: Group, terminal: bool) -> dict[str, Any]:
    """Return what the cell is asked to do (see ``freezer.run.cell``)."""
    return {
        "rootfs": str(root.path),
        "writable": container.writable,
        "scratches": [[item.place, item.mode, item.filled] for item in container.scratches],
        "volumes": [[str(item.source), item.target, item.writable] for item in container.volumes],
        "files": dict(container.files),
        "network": container.network.value,
        "hostname": container.hostname,
        "user": container.user,
        "group": container.group,
        "groups": [str(place) for place in group.places],
        "argv": list(container.argv),
        "env": dict(container.environment),
        "cwd": container.directory,
        "terminal": terminal,
    }


class Attendance:
    """What freezer does while an application runs: it waits for signals on ``caught``, and for reports."""

    def __init__(
        self, caught: int, report: IO[bytes], control: IO[bytes], terminal: Optional[Terminal], log: Log
    ) -> None:
        self._caught, self._report, self._control = caught, report, control
        self._terminal, self._log = terminal, log
        self._status: Optional[int] = None
        self._begun = b""

    def until_end(self) -> Optional[int]:
        """Wait for the end; return the status, None if it is unknown. Raises NotRun."""
        poller = select.poll()
        poller.register(self._caught, select.POLLIN)
        poller.register(self._report, select.POLLIN)
        while True:
            for descriptor, _ in poller.poll():
                if descriptor == self._caught:
                    for number in os.read(descriptor, 4096):
                        self._handle(number)
                    continue
                data = self._report.read(65536)
                if not data:
                    return self._status
                *lines, self._begun = (self._begun + data).split(b"\n")
                for line in lines:
                    self._hear(json.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        if "refused" in message:
            refused = message["refused"]
            raise NotRun("this host does not let images run", why=refused["cause"], hint=refused["remedy"])
        if "failed" in message:
            failed = message["failed"]
            raise not_started(failed["step"], failed["errno"], there=failed["there"])
        for note in message.get("started", ()):
            self._log.warning(note)
        if "ended" in message:
            status = int(message["ended"])
            self._status = status if status >= 0 else 128 - status
        elif "stopped" in message and self._terminal is not None:
            self._terminal.take_back()
            self._stop()

    def _handle(self, number: int) -> None:
        """Pass on a signal that freezer got."""
        if number == signal.SIGTSTP:
            # A session of its own has nobody who could wake it, so the kernel ignores the terminal's way to stop it.
            self._send(GROUP + (signal.SIGTSTP if self._terminal is not None else signal.SIGSTOP))
            if self._terminal is None:
                self._stop()
        elif number == signal.SIGCONT:
            self._go_on()
        elif number in PASSED_ON:
            self._send(number + (GROUP if number in FROM_KEYBOARD else 0))

    def _stop(self) -> None:
        """Stop as a whole job does, until the shell continues it."""
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(0, signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, before)
        # Where nobody would continue it, the kernel stops nothing.
        self._go_on()

    def _go_on(self) -> None:
        if self._terminal is not None and self._terminal.is_ours():
            self._send(FOREGROUND)
        self._send(GROUP + signal.SIGCONT)

    def _send(self, byte: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._control.write(bytes([byte]))


def not_started(step: str, code: int, *, there: bool) -> FreezerError:
    """Return the error for a command that the kernel does not execute; ``there`` is whether it has a file."""
    why = os.strerror(code)
    if not step.startswith(START):
        return NotExecutable(f"cannot {step} in the image", why=why)
    if code in (errno.ENOENT, errno.ENOTDIR):
        if there:
            return NotFound(
                f"cannot {step}", why="the image has that file, but not the interpreter or the loader that it names"
            )
        return NotFound(f"the image has no {step[len(START) :]}", hint="what is behind the image is the command to run")
    if code == errno.ENOEXEC:
        why = "it is no executable for this machine"
    return NotExecutable(f"cannot {step}", why=why)


@contextlib.contextmanager
def _caught() -> Iterator[int]:
    """Catch signals; give the descriptor of a pipe that gets the number of each."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def nothing(_number: int, _frame: Optional[FrameType]) -> None:
        """Do nothing: only a signal with a handler is written to the pipe."""

    previous = {}
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        for number in (*PASSED_ON, *STOPPING):
            if signal.getsignal(number) is not signal.SIG_IGN or number in STOPPING:
                previous[number] = signal.signal(number, nothing)
        yield reading
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)
