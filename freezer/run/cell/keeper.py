"""Leave the host's namespaces, and wait for init: the process that unshares is not in its new PID namespace."""

from __future__ import annotations

import errno
import json
import os
import signal
from typing import Any

from freezer.base.isolation.namespaces import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    leave_host,
)
from freezer.base.isolation.privileges import can_isolate_as_root
from freezer.base.isolation.refusals import explain
from freezer.base.isolation.system import IsolationError, as_step, die_with_parent, forked, seal_descriptors
from freezer.run.cell.first_process import be_init, tell

NAMESPACES = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)
"""Signals that a terminal or a shell sends to the whole process group; freezer alone passes them on."""

Message = dict[str, Any]


def main(*descriptors: str) -> int:
    """Run the application of the request; the arguments are the numbers of three descriptors (see the package)."""
    request_file, control, report = map(int, descriptors)
    for number in FROM_TERMINAL:
        signal.signal(number, signal.SIG_IGN)
    with open(request_file, encoding="utf-8") as stream:
        request: Message = json.load(stream)
    seal_descriptors()
    user, group = int(request["user"]), int(request["group"])
    real_root = can_isolate_as_root(user)
    try:
        join_groups(request["groups"])
        leave(request["network"], user, group, real_root)
        # A change of the user namespace may have reset it. init ends as soon as CONTROL does, in any case.
        die_with_parent()
    except IsolationError as error:
        tell(report, {"refused": explain(error)._asdict()})
        return 1
    os.waitpid(forked(lambda: be_init(request, control, report, real_root)), 0)
    return 0


def join_groups(places: list[str]) -> None:
    """Put this process, and all that it starts, into groups with limits."""
    for place in places:
        with as_step(f"open {place}/cgroup.procs"), open(f"{place}/cgroup.procs", "w") as stream:
            stream.write("0")


def leave(network: str, user: int, group: int, real_root: bool) -> None:
    """Leave the host's namespaces, but for its network if the application shall have that."""
    flags = NAMESPACES | (CLONE_NEWNET if network == "none" else 0)
    try:
        leave_host(flags | CLONE_NEWCGROUP, user, group, real_root=real_root)
    except IsolationError as error:
        if error.code != errno.EINVAL:
            raise
        leave_host(flags, user, group, real_root=real_root)  # a kernel without cgroups
