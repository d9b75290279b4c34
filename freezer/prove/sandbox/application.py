"""Run one command as PID 1's child, and watch it until it ends or its time is up.

An application may fork, leave daemons behind, print without end or ignore signals; none of that must delay or falsify
the report. So PID 1 waits only for the application, keeps only the start and end of its output, and then kills all
other processes.
"""

from __future__ import annotations

import base64
import errno
import os
import select
import signal
import socket
import struct
import time
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from freezer.base.isolation.privileges import drop_privileges
from freezer.base.isolation.system import forked, reset_signals, wake_on_child
from freezer.prove.sandbox.asking import Asking
from freezer.prove.sandbox.protocol import Cell, Message
from freezer.prove.sandbox.reads import Noticing, hand_over, install_filter, take_over

KEPT_BYTES = 32 * 1024
MAXIMUM_LEFTOVERS = 100
POLL_SECONDS = 0.003
END_SECONDS = 3.0
"""How long a server has after SIGTERM."""


class Capture:
    """The first and the last KEPT_BYTES of a stream, so that no application can fill our memory."""

    def __init__(self) -> None:
        """Start empty."""
        self.head, self.tail, self.dropped = bytearray(), bytearray(), 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes."""
        room = KEPT_BYTES - len(self.head)
        self.head += chunk[:room]
        self.tail += chunk[room:]
        excess = max(0, len(self.tail) - KEPT_BYTES)
        del self.tail[:excess]
        self.dropped += excess

    def drain(self, reading: int) -> None:
        """Take everything up to the end of the pipe ``reading``."""
        while chunk := os.read(reading, 65536):
            self.add(chunk)

    def text(self) -> str:
        """Return the kept bytes, with a line in the middle that states how many are missing."""
        gap = f"\n[... {self.dropped} bytes left out ...]\n".encode() if self.dropped else b""
        return bytes(self.head + gap + self.tail).decode("utf-8", "replace")


class Application(NamedTuple):
    """A command that was started, at ``began`` on the monotonic clock; ``error`` is the reason if exec failed."""

    pid: int
    began: float
    error: str | None
    streams: dict[int, Capture]
    noticing: Noticing | None = None


def run_application(run: Message, cell: Cell, tables: dict[int, int]) -> Message:
    """Run one command until it ends or its time is up, and report everything that it did; ``tables`` tell where a
    server listens."""
    wake = wake_on_child()
    application = start_application(run, cell)
    timeout, trace = float(run["timeout"]), bool(run["trace_maps"])
    if run.get("http"):
        asking = Asking(run["http"], tables, application.began + timeout)
        seen, status = serve(application, wake, asking, timeout, trace)
    else:
        seen, status = watch(application, wake, timeout, trace)
    reply = reply_of(application, seen, kill_everything(application.pid, status))
    read = application.noticing.stop() if application.noticing is not None else None
    return {**reply, "leftovers": leftovers("/tmp"), "read": read}


def serve(
    application: Application, wake: int, asking: Asking, timeout: float, trace: bool
) -> tuple[Message, int | None]:
    """Watch a server until it has been asked, and end all its processes; return the observations, and the status."""
    seen, status = watch(application, wake, timeout, trace, until=asking.done)
    ended = status is not None
    if not ended:
        signal_everything(signal.SIGTERM)
        status = watch(application, wake, time.monotonic() - application.began + END_SECONDS, False)[1]
    asking.stop()
    complete = len(asking.answers) == len(asking.wanted)
    return {
        **seen,
        "asked": {
            "answers": asking.answers,
            "listened": asking.listened,
            "complaint": asking.complaint,
            "ended": ended and not complete,
        },
    }, status


def reply_of(application: Application, seen: Message, status: int) -> Message:
    """Return the report of a command with that wait status, of which no process is left."""
    for reading, capture in application.streams.items():
        capture.drain(reading)
    stdout, stderr = (capture.text() for capture in application.streams.values())
    if seen["first_output"] is None and (stdout or stderr):
        seen["first_output"] = seen["seconds"]
    code = os.waitstatus_to_exitcode(status)
    return {
        **seen,
        "status": code if code >= 0 and application.error is None else None,
        "signal": -code if code < 0 and application.error is None else None,
        "exec_error": application.error,
        "stdout": stdout,
        "stderr": stderr,
    }


def start_application(run: Message, cell: Cell) -> Application:
    """Start the command in a new session, and return once exec has succeeded or failed.

    The child reports through a pipe that closes on exec: the time, then the error if exec failed.
    """
    report, told = os.pipe()
    pipes = [os.pipe(), os.pipe()]
    ours, theirs = socket.socketpair()
    child = forked(partial(become_application, run, cell, told, [writing for _, writing in pipes], theirs))
    theirs.close()
    places = [(offset, size) for offset, size in run.get("reads", ())]
    listener = take_over(ours) if places else None
    ours.close()
    noticing = Noticing(listener, places) if listener is not None else None
    for writing in (told, *(writing for _, writing in pipes)):
        os.close(writing)
    with os.fdopen(report, "rb") as stream:
        message = stream.read()
    if not message:
        raise RuntimeError("the child ended before it could execute the application")
    began, error = struct.unpack("d", message[:8])[0], message[8:].decode() or None
    return Application(child, began, error, {reading: Capture() for reading, _ in pipes}, noticing)


def become_application(run: Message, cell: Cell, told: int, outputs: list[int], channel: socket.socket) -> None:
    """Turn this child into the command, which inherits nothing from this program but its arguments."""
    os.setsid()
    drop_privileges(cell.uid, cell.gid, real_root=cell.real_root)
    if run.get("reads"):
        hand_over(install_filter([(offset, size) for offset, size in run["reads"]]), channel)
    reset_signals()
    for target, source in enumerate((input_of(run), *outputs)):
        os.dup2(source, target)
    os.write(told, struct.pack("d", time.monotonic()))
    try:
        os.chdir(run.get("cwd", "/"))
        os.execve(run["argv"][0], run["argv"], run["env"])
    except OSError as error:
        os.write(told, f"{errno.errorcode.get(error.errno or 0)}: {error.strerror}".encode())


def input_of(run: Message) -> int:
    """Return a descriptor of what the command reads: a file without a name, since nobody would fill a pipe."""
    if run.get("stdin") is None:
        return os.open("/dev/null", os.O_RDONLY)
    # A Python that was built against a C library before 2.27 has no memfd_create.
    has_memory = hasattr(os, "memfd_create")
    file = os.memfd_create("stdin") if has_memory else os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o600)
    content = memoryview(base64.b64decode(run["stdin"]))
    while content:
        content = content[os.write(file, content) :]
    os.lseek(file, 0, os.SEEK_SET)
    return file


def watch(
    application: Application, wake: int, timeout: float, trace: bool, until: int | None = None
) -> tuple[Message, int | None]:
    """Watch the application until ``timeout`` seconds after its start, or until the descriptor ``until`` ends; return
    the observations, and the status if it ended."""
    poller = select.poll()
    for reading in (wake, *application.streams, *([] if until is None else [until])):
        poller.register(reading, select.POLLIN)
    mapped: set[str] = set()
    lines: set[bytes] = set()
    first_output: float | None = None
    look = application.began
    while True:
        if trace and application.error is None and time.monotonic() >= look:
            mapped |= mapped_files(lines)
            look = time.monotonic() + POLL_SECONDS
        left = application.began + timeout - time.monotonic()
        events = poller.poll(max(0.0, min(left, POLL_SECONDS) if trace else left) * 1000)
        seconds = time.monotonic() - application.began
        asked = any(reading == until for reading, _ in events)
        for reading in (reading for reading, _ in events if reading != until):
            chunk = os.read(reading, 65536)
            if not chunk:
                poller.unregister(reading)
            elif reading != wake:
                application.streams[reading].add(chunk)
                first_output = seconds if first_output is None else first_output
        status = reap(application.pid)
        timed_out = status is None and seconds >= timeout
        if status is not None or timed_out or asked:
            seen = {"seconds": seconds, "first_output": first_output, "timed_out": timed_out}
            return {**seen, "mapped": sorted(mapped)}, status


def mapped_files(known: set[bytes]) -> set[str]:
    """Return the files that the processes of this PID namespace, except this one, have mapped (proc(5)), but for those
    in the lines that are ``known``, to which the others are added: there are hundreds, which hardly change."""
    files = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or entry == "1":
            continue
        with suppress(OSError), open(f"/proc/{entry}/maps", "rb") as stream:  # the process may be gone, or a zombie
            lines = set(stream.read().splitlines()) - known
            known |= lines
            for line in lines:
                fields = line.split(None, 5)
                if len(fields) == 6 and fields[5].startswith(b"/"):
                    files.add(os.fsdecode(fields[5]))
    return files - {"/dev/zero (deleted)"}  # the kernel's name of shared anonymous memory


def reap(application: int) -> int | None:
    """Reap the ended processes, orphans included, as PID 1 must; return the application's wait status."""
    status = None
    with suppress(ChildProcessError):
        while True:
            child, code = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                break
            status = code if child == application else status
    return status


def signal_everything(number: int) -> None:
    """Send a signal to all other processes of this PID namespace."""
    if os.getpid() != 1:
        raise RuntimeError("not in a PID namespace")  # this would end all processes of the host
    with suppress(ProcessLookupError):
        os.kill(-1, number)


def kill_everything(application: int, status: int | None) -> int:
    """Kill and reap all other processes of this PID namespace; return the application's wait status."""
    signal_everything(signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            child, code = os.waitpid(-1, 0)
            status = code if child == application else status
    if status is None:
        raise RuntimeError("the application's wait status was lost")
    return status


def leftovers(top: str) -> list[str]:
    """Return the relative paths, at most MAXIMUM_LEFTOVERS, of the files and empty directories in ``top``."""
    found = []
    for directory, names, files in os.walk(top):
        # As text: there may be thousands of files.
        inside = f"{directory[len(top) :]}/"[1:]
        links = [name for name in names if os.path.islink(f"{directory}/{name}")]
        found += [inside + name for name in (*files, *links)]
        if inside and not names and not files:
            found.append(inside)
    return sorted(found)[:MAXIMUM_LEFTOVERS]
