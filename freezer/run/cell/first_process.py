"""PID 1 of an application's namespace: makes the root, starts the application, passes signals on and reaps orphans.

It ends with the application, or with freezer, and then the kernel ends all other processes of the namespace.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import signal
from contextlib import suppress
from typing import Any, NoReturn

from freezer.base.isolation.confinement import confine
from freezer.base.isolation.privileges import drop_privileges
from freezer.base.isolation.refusals import explain
from freezer.base.isolation.system import IsolationError, forked, reset_signals, wake_on_child
from freezer.run.cell import FOREGROUND, GROUP
from freezer.run.cell.furnish import build_root

Message = dict[str, Any]

ELSEWHERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
"""With these errors, the command may still be in another directory of PATH."""


def be_init(request: Message, control: int, report: int, real_root: bool) -> None:
    """Run the application until it ends, or until freezer does."""
    os.umask(0o022)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        notes = build_root(request, real_root=real_root)
    except IsolationError as error:
        tell(report, {"refused": explain(error)._asdict()})
        return
    wake = wake_on_child()
    outcome, failed = os.pipe()
    application = forked(lambda: become_application(request, failed, real_root))
    os.close(failed)
    with os.fdopen(outcome, "rb") as stream:
        message = stream.read()
    if message:
        tell(report, {"failed": json.loads(message)})
        return
    tell(report, {"started": notes})
    watch(application, wake, control, report)


def become_application(request: Message, failed: int, real_root: bool) -> None:
    """Turn this child into the application."""
    try:
        drop_privileges(int(request["user"]), int(request["group"]), real_root=real_root)
        confine()
    except IsolationError as error:
        fail(failed, error.step, error.code, there=True)
    if request["terminal"]:
        # A process group of its own: a signal to its group must not reach the caller's processes.
        os.setpgid(0, 0)
        give_terminal(os.getpid())
    else:
        os.setsid()
    reset_signals()
    try:
        os.chdir(request["cwd"])
    except OSError as error:
        fail(failed, f"enter {request['cwd']}", error.errno, there=True)
    execute(request["argv"], request["env"], failed)


def execute(argv: list[str], env: dict[str, str], failed: int) -> NoReturn:
    """Execute a command, which is looked for on PATH unless it has a slash."""
    places = [argv[0]]
    if "/" not in argv[0]:
        places = [f"{folder}/{argv[0]}" for folder in env.get("PATH", "").split(":") if folder]
    last: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for place in places:
        try:
            os.execve(place, argv, env)
        except OSError as error:
            # A file that is there and may not be executed tells more than the next place without one.
            if error.errno == errno.EACCES or last.errno != errno.EACCES:
                last = error
            if error.errno not in ELSEWHERE:
                break
    fail(failed, f"start {argv[0]}", last.errno, there=any(map(os.path.lexists, places)))


def fail(failed: int, step: str, code: int | None, *, there: bool) -> NoReturn:
    """Report why the application did not start, and end."""
    os.write(failed, json.dumps({"step": step, "errno": code, "there": there}).encode())
    os._exit(1)


def give_terminal(group: int) -> None:
    """Make a process group the terminal's foreground one; who is not in the foreground would be stopped for that."""
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    with suppress(OSError):
        os.tcsetpgrp(0, group)
    signal.signal(signal.SIGTTOU, before)


def watch(application: int, wake: int, control: int, report: int) -> None:
    """Pass signals on, and reap orphans, until the application ends; return at once when freezer has."""
    poller = select.poll()
    for descriptor in (wake, control):
        poller.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in poller.poll():
            data = os.read(descriptor, 4096)
            if descriptor == control:
                if not data:
                    return
                for byte in data:
                    pass_on(byte, application)
        if ended(application, report):
            return


def pass_on(byte: int, application: int) -> None:
    """Do what a byte of CONTROL says."""
    if byte == FOREGROUND:
        give_terminal(application)
        return
    with suppress(ProcessLookupError):
        if byte >= GROUP:
            os.killpg(application, byte - GROUP)
        else:
            os.kill(application, byte)


def ended(application: int, report: int) -> bool:
    """Reap the ended processes, as PID 1 must, and report what became of the application; return whether it ended."""
    with suppress(ChildProcessError):
        while True:
            child, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if child == 0:
                break
            if child == application and os.WIFSTOPPED(status):
                tell(report, {"stopped": os.WSTOPSIG(status)})
            elif child == application:
                tell(report, {"ended": os.waitstatus_to_exitcode(status)})
                return True
    return False


def tell(report: int, message: Message) -> None:
    """Report something; what freezer does not read any more is lost."""
    with suppress(BrokenPipeError):
        os.write(report, json.dumps(message).encode() + b"\n")
