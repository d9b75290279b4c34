"""Between the caller and the application: what freezer does with signals and reports. Real runs are in
test_image_run.py."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
from pathlib import Path
from typing import Any, Optional

import pytest

from freezer.base.errors import ExitStatus, NotRun
from freezer.base.log import Log
from freezer.run.cell import GROUP
from freezer.run.cgroups import Group
from freezer.run.container import Container, Scratch
from freezer.run.image_roots import ImageRoot
from freezer.run.running import Attendance, not_started, request_of
from freezer.run.wanted import Network, Volume


class Attended:
    """An attendance with pipes in place of a cell."""

    def __init__(self) -> None:
        self.caught, self.signals = os.pipe()
        self.report, self.reports = os.pipe()
        self.heard, self.control = os.pipe()
        self.shown = io.StringIO()

    def say(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            os.write(self.reports, json.dumps(message).encode() + b"\n")

    def end(self) -> tuple[Optional[int], list[int]]:
        """The status, and what the cell was told."""
        os.close(self.reports)
        with open(self.report, "rb", buffering=0) as report, open(self.control, "wb", buffering=0) as control:
            try:
                status = Attendance(self.caught, report, control, None, Log(stream=self.shown)).until_end()
            finally:
                os.close(self.signals)
                os.close(self.caught)
        with open(self.heard, "rb") as heard:
            return status, list(heard.read())


@pytest.mark.parametrize(("ended", "status"), [(0, 0), (7, 7), (255, 255), (-9, 137), (-15, 143)])
def test_the_status(ended: int, status: int) -> None:
    attended = Attended()
    attended.say({"started": ["no /dev/tty: refused"]}, {"stopped": 19}, {"ended": ended})
    assert attended.end() == (status, [])
    assert attended.shown.getvalue() == "freezer: warning: no /dev/tty: refused\n"


def test_an_end_that_nobody_reports() -> None:
    attended = Attended()
    attended.say({"started": []})
    assert attended.end()[0] is None


def test_signals_are_passed_on() -> None:
    """Those of the keyboard are for the whole group."""
    attended = Attended()
    numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH, signal.SIGCHLD]
    os.write(attended.signals, bytes(numbers))
    attended.say({"ended": 0})
    wanted = [signal.SIGTERM, GROUP + signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, GROUP + signal.SIGWINCH]
    assert attended.end() == (0, wanted)


def test_a_host_that_refuses() -> None:
    attended = Attended()
    attended.say({"refused": {"cause": "it is forbidden", "remedy": "permit it"}})
    with pytest.raises(NotRun) as caught:
        attended.end()
    assert (caught.value.why, caught.value.hint, caught.value.status) == ("it is forbidden", "permit it", 125)


@pytest.mark.parametrize(
    ("step", "code", "there", "status", "message"),
    [
        ("start app", errno.ENOENT, False, 127, "the image has no app"),
        ("start /x/app", errno.ENOTDIR, False, 127, "the image has no /x/app"),
        ("start /app", errno.ENOENT, True, 127, "not the interpreter or the loader"),
        ("start /app", errno.EACCES, True, 126, "Permission denied"),
        ("start /app", errno.ENOEXEC, True, 126, "no executable for this machine"),
        ("enter /work", errno.ENOTDIR, True, 126, "cannot enter /work in the image"),
        ("filter system calls", errno.ENOSYS, True, 126, "cannot filter system calls"),
    ],
)
def test_what_does_not_start(step: str, code: int, there: bool, status: int, message: str) -> None:
    error = not_started(step, code, there=there)
    assert error.status == ExitStatus(status)
    assert message in error.render()


def test_the_request() -> None:
    """All that the cell needs, as JSON."""
    container = Container(
        argv=("a", "b"),
        environment={"A": "1"},
        directory="/w",
        user=5,
        group=6,
        files={"f": "x"},
        network=Network.NONE,
        hostname=None,
        writable=True,
        scratches=(Scratch("tmp", 0o1777, True),),
        volumes=(Volume(Path("/host"), "data", False),),
    )
    request = request_of(container, ImageRoot(Path("/root"), {}), Group((Path("/cg"),)), terminal=True)
    assert json.loads(json.dumps(request)) == {
        "rootfs": "/root",
        "writable": True,
        "scratches": [["tmp", 0o1777, True]],
        "files": {"f": "x"},
        "volumes": [["/host", "data", False]],
        "network": "none",
        "hostname": None,
        "user": 5,
        "group": 6,
        "groups": ["/cg"],
        "argv": ["a", "b"],
        "env": {"A": "1"},
        "cwd": "/w",
        "terminal": True,
    }
