"""Notice which parts of a file an application reads, from outside, so that the application needs no door for that.

The application imports each module by reading its code from one archive, at a place that is known. A filter for system
calls (seccomp(2)) has the kernel report a read of one of these places, and then do it as ever. All other system calls
are allowed at once. Where the kernel or a container does not permit such a filter, nothing is noticed.
"""

from __future__ import annotations

import array
import fcntl
import os
import re
import select
import socket
import struct
import threading
from contextlib import suppress

from freezer.base.isolation.seccomp import (
    ALLOW_ALL,
    AT_ARCH,
    AT_NUMBER,
    EQUAL,
    LOAD,
    MACHINES,
    RETURN,
    Step,
    argument,
    install,
)

MOST = 2000
"""Places that a filter has room for."""
MACHINE = "x86_64"
OLDEST_KERNEL = (5, 5)
"""Older ones may report a read, but cannot be told to do it then."""
NR_PREAD64 = 17  # <asm/unistd_64.h>
# <linux/seccomp.h>
SPEC_ALLOW, NEW_LISTENER = 4, 8
RET_USER_NOTIF = 0x7FC00000
NOTIF_RECV, NOTIF_SEND, CONTINUE = 0xC0502100, 0xC0182101, 1
NOTIFICATION, RESPONSE = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
AT_OFFSET = argument(3)
POLL_MILLISECONDS = 50

Place = tuple[int, int]
"""An offset and a size, in bytes."""


def install_filter(places: list[Place]) -> int | None:
    """Have reads at these places be reported, in this process and its children; return the descriptor that gets the
    reports, or None if that is not permitted. The process must have given up new privileges."""
    system = os.uname()
    if system.machine != MACHINE or version_of(system.release) < OLDEST_KERNEL or not 0 < len(places) <= MOST:
        return None
    return install(filter_for(places), NEW_LISTENER | SPEC_ALLOW)


def version_of(release: str) -> tuple[int, ...]:
    """Return the first two numbers of a kernel's release; none if it has no such."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return tuple(map(int, numbers.groups())) if numbers else ()


def filter_for(places: list[Place]) -> list[Step]:
    """Return the filter's instructions."""
    steps = [Step(LOAD, 0, 0, AT_ARCH), Step(EQUAL, 1, 0, MACHINES[MACHINE].arch), ALLOW_ALL]
    steps += [Step(LOAD, 0, 0, AT_NUMBER), Step(EQUAL, 1, 0, NR_PREAD64), ALLOW_ALL]
    steps.append(Step(LOAD, 0, 0, AT_OFFSET))
    for offset, _ in places:
        steps += [Step(EQUAL, 0, 1, offset & 0xFFFFFFFF), Step(RETURN, 0, 0, RET_USER_NOTIF)]
    return [*steps, ALLOW_ALL]


def hand_over(listener: int | None, channel: socket.socket) -> None:
    """Give the descriptor, or None, to the process at the other end."""
    rights = [] if listener is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))]
    channel.sendmsg([b"x"], rights)


def take_over(channel: socket.socket) -> int | None:
    """Return what ``hand_over`` was given, as a descriptor of this process."""
    _, rights, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4))
    return int(array.array("i", rights[0][2])[0]) if rights else None


class Noticing:
    """Lets the reported reads happen, and notes of which of ``places`` they are, until ``stop``."""

    def __init__(self, listener: int, places: list[Place]) -> None:
        """Start the thread that answers: whoever reads waits for it."""
        self.seen: set[int] = set()
        self._listener, self._numbers = listener, {place: number for number, place in enumerate(places)}
        self._stopped = False
        self._thread = threading.Thread(target=self._answer_all)
        self._thread.start()

    def stop(self) -> list[int]:
        """End it, when no process is left that may read; return the numbers of the places that were read."""
        self._stopped = True
        self._thread.join()
        os.close(self._listener)
        return sorted(self.seen)

    def _answer_all(self) -> None:
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        while not self._stopped:
            for _, event in poller.poll(POLL_MILLISECONDS):
                if not event & select.POLLIN:
                    return
                # The process may be gone by now, or have been interrupted; then it asks again.
                with suppress(FileNotFoundError, InterruptedError):
                    self._answer()

    def _answer(self) -> None:
        report = bytearray(NOTIFICATION.size)
        fcntl.ioctl(self._listener, NOTIF_RECV, report)
        number, _, _, _, _, _, _, _, size, offset, _, _ = NOTIFICATION.unpack(report)
        if (offset, size) in self._numbers:
            self.seen.add(self._numbers[offset, size])
        fcntl.ioctl(self._listener, NOTIF_SEND, bytearray(RESPONSE.pack(number, 0, 0, CONTINUE)))
