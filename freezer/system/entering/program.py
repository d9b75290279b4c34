"""Run one command in another root, for the stages of a build that run there.

The root is put together from mounts in a private namespace, which the kernel removes however this program ends::

    caller -> this program, the keeper (unshares) -> init (PID 1: mounts, waits) -> command

Unless the root is to be changed, its parts are mounted read-only side by side, and the directories of the build (work
directory, sources, the resolver's configuration) beside them: so the root needs no places for them, and nothing in it
can change. The network is the host's. The request is a JSON file, as standard input belongs to the command::

    mount_point  an empty directory of the host
    root         the directory that becomes /
    writable     whether the command may change it
    mounts       [[source, target in the root, whether it is writable]]
    argv, env, cwd  the command, as in the root; the directory cwd is made if it does not exist
    report       a file that gets {step, errno, cause, remedy} if the command could not be started

The exit status is the command's; a signal that kills it kills the keeper, too.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from contextlib import suppress
from typing import Any

from freezer.base.isolation.mounts import (
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    bind,
    bind_file,
    build_dev,
    enter_root,
    keep_mounts_private,
    mount,
    remount,
)
from freezer.base.isolation.namespaces import enter_namespaces
from freezer.base.isolation.privileges import limit_capabilities
from freezer.base.isolation.refusals import explain
from freezer.base.isolation.system import IsolationError, forked, reset_signals, seal_descriptors

Message = dict[str, Any]
"""The request, a JSON object."""

OWN = frozenset(("dev", "proc", "sys", "tmp", "run"))
"""Directories that every root gets anew, whether or not it has them."""
READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")
"""Parts of /proc by which root in the chroot could change the host's kernel; container runtimes hide the same ones."""
FAILED = 125
SIGNALLED = 128
"""Init's exit status is the sum of this and the number of the signal that killed the command, as in shells."""
START = "start"


def main(path: str) -> int:
    """Run the command of the request in the file ``path``."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open(path, encoding="utf-8") as stream:
        request: Message = json.load(stream)
    # Opened now, as the new root does not contain it.
    report = os.open(request["report"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
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
        with suppress(OSError):  # SIGKILL has no disposition to reset
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
    root, base = request["mount_point"], request["root"]
    if request["writable"]:
        bind(base, root, MS_NOSUID | MS_NODEV)
        for name in ("dev", "proc", "tmp"):
            os.makedirs(f"{root}/{name}", exist_ok=True)
    else:
        mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
        show(base, root, {target for _, target, _ in request["mounts"]})
        for name in sorted(OWN):
            os.mkdir(f"{root}/{name}")
        mount("tmpfs", f"{root}/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    mount("tmpfs", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in READ_ONLY_PROC:
        if os.path.exists(f"{root}/proc/{name}"):
            bind(f"{root}/proc/{name}", f"{root}/proc/{name}", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    build_dev(f"{root}/dev")
    for source, target, writable in request["mounts"]:
        place = root + target
        if os.path.isdir(source):
            os.makedirs(place, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            open(place, "a").close()
        bind(source, place, MS_NOSUID | MS_NODEV | (0 if writable else MS_RDONLY))
    os.makedirs(root + request["cwd"], exist_ok=True)
    if not request["writable"]:
        remount(root, MS_RDONLY | MS_NOSUID | MS_NODEV)
    enter_root(root)


def show(base: str, root: str, replaced: set[str], inside: str = "") -> None:
    """Mount the entries of the directory ``base + inside`` read-only at their places below ``root``.

    Entries that the caller replaces, and those that every root gets anew, are left out; directories that contain such
    entries are put together in the same way, one level down.
    """
    for name in sorted(os.listdir(base + inside)):
        path = f"{inside}/{name}"
        source, target = base + path, root + path
        if path in replaced or (not inside and name in OWN):
            continue
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
        elif os.path.isdir(source):
            os.mkdir(target)
            if any(item.startswith(path + "/") for item in replaced):
                show(base, root, replaced, path)
            else:
                bind(source, target, MS_RDONLY | MS_NOSUID | MS_NODEV)
        elif os.path.isfile(source):
            bind_file(source, target, MS_RDONLY | MS_NOSUID | MS_NODEV)


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
