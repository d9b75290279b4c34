"""Run one command in another root, for the stages of a build that run there.

The root is put together from mounts in a private namespace, which the kernel removes however this program ends::

    caller -> this program, the keeper (unshares) -> init (PID 1: mounts, waits) -> command

Unless the root is to be changed, its parts are mounted read-only side by side, and what is brought in (work directory,
sources, the resolver's configuration) stands beside them: nothing has to exist in the root for that, and nothing in it
can change. The network is the host's. The request is a JSON file, as standard input belongs to the command; it has no
name, as what runs in the root can write to the work directory::

    mount_point  [directory, path below it without links] of an empty directory of the host
    root         the directory that becomes /
    writable     whether the command may change it
    mounts       [[[directory, path below it without links], target in the root, whether it is writable]]
    argv, env, cwd  the command, as in the root; the directory cwd is made if it is not there

The exit status is the command's; a signal that kills it kills the keeper, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
from typing import Any

from freezer.base.beneath import opened_plain, opened_top
from freezer.base.dismantle import reached
from freezer.base.isolation.assembly import show
from freezer.base.isolation.interior import Interior, build_dev, build_proc
from freezer.base.isolation.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    keep_mounts_private,
    mount,
)
from freezer.base.isolation.namespaces import enter_namespaces
from freezer.base.isolation.privileges import limit_capabilities
from freezer.base.isolation.refusals import explain
from freezer.base.isolation.system import IsolationError, as_step, forked, reset_signals, seal_descriptors

Message = dict[str, Any]
"""The request, a JSON object."""

OWN = frozenset(("dev", "proc", "sys", "tmp", "run", "freezer"))
"""What a root gets anew, whatever it has itself."""
FAILED = 125
SIGNALLED = 128
"""Init's exit status is the sum of this and the number of the signal that killed the command, as in shells."""
START = "start"


def main(request_file: str, report_file: str) -> int:
    """Run the command of the request in the file ``request_file``; both arguments are numbers of descriptors.

    ``report_file`` gets {step, errno, cause, remedy} as JSON if the command could not be started.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    report = int(report_file)
    with open(int(request_file), encoding="utf-8") as stream:
        request: Message = json.load(stream)
    seal_descriptors()
    os.umask(0o022)
    try:
        enter_namespaces()
    except IsolationError as error:
        return refuse(report, error.step, error.code)
    _, status = os.waitpid(forked(lambda: be_init(request, report)), 0)
    code = os.waitstatus_to_exitcode(status)
    if code > SIGNALLED:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # SIGKILL is what it is
            signal.signal(code - SIGNALLED, signal.SIG_DFL)
        os.kill(os.getpid(), code - SIGNALLED)
    return code if code >= 0 else FAILED


def be_init(request: Message, report: int) -> None:
    """Build the root, start the command, and end as it ends."""
    try:
        build(request)
    except IsolationError as error:
        os._exit(refuse(report, error.step, error.code))
    child = forked(lambda: become_command(request, report))
    pid = code = 0
    while pid != child:  # orphans are reaped on the way
        pid, code = os.wait()
    status = os.waitstatus_to_exitcode(code)
    os._exit(status if status >= 0 else SIGNALLED - status)


def build(request: Message) -> None:
    """Make the requested root, and enter it."""
    keep_mounts_private()
    root = begin(request)
    root.mount("tmpfs", "tmp", MS_NOSUID | MS_NODEV, "mode=1777")
    build_proc(root, "proc")
    build_dev(root, "dev")
    for (folder, below), target, writable in request["mounts"]:
        with as_step(f"open {folder}/{below}"), opened_plain(folder, below) as opened:
            source = reached(opened)
            root.bind(source, target, MS_NOSUID | MS_NODEV | (0 if writable else MS_RDONLY))
    root.folder(request["cwd"])
    if not request["writable"]:
        root.remount(".", MS_RDONLY | MS_NOSUID | MS_NODEV)
    root.enter()


def begin(request: Message) -> Interior:
    """Mount the root, or its parts, and make the places for what every root gets anew."""
    # What ran in the root before, and could write to the work directory, may have put a link there.
    folder, below = request["mount_point"]
    with as_step(f"open {folder}/{below}"), opened_plain(folder, below) as opened, opened_top(request["root"]) as base:
        place = reached(opened)
        if request["writable"]:
            mount(reached(base), place, "", MS_BIND | MS_REC)
        else:
            mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        root = Interior(os.path.join(folder, below))
        if request["writable"]:
            root.remount(".", MS_NOSUID | MS_NODEV)
            for name in ("dev", "proc", "tmp"):
                root.folder(name)
        else:
            with as_step("read the root"):
                show(base, root, {target for _, target, _ in request["mounts"]}, OWN)
            for name in sorted(OWN):
                root.folder(name)
            root.mount("tmpfs", "run", MS_NOSUID | MS_NODEV, "mode=755")
    return root


def become_command(request: Message, report: int) -> None:
    """Execute the command, without the capabilities that would let root change the kernel."""
    limit_capabilities()
    reset_signals()
    try:
        os.chdir(request["cwd"])
        os.execve(request["argv"][0], request["argv"], request["env"])
    except OSError as error:
        os._exit(refuse(report, START, error.errno or 0))


def refuse(report: int, step: str, code: int) -> int:
    """Report why the command did not start."""
    cause, remedy = ("", "") if step == START else explain(IsolationError(step, code))
    os.write(report, json.dumps({"step": step, "errno": code, "cause": cause, "remedy": remedy}).encode())
    return FAILED
