"""Leave the host's namespaces, as root or through a user namespace (namespaces(7))."""

from __future__ import annotations

import os

from freezer.base.isolation.privileges import can_isolate_as_root
from freezer.base.isolation.system import libc
from freezer.base.isolation.users import CLONE_NEWUSER, enter_user_namespace, map_one_user

# <sched.h>
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP = 0x20000000, 0x40000000, 0x02000000


def enter_namespaces() -> None:
    """Leave the host's mounts and processes: as root, or else as root of a new user namespace."""
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC
    if can_isolate_as_root(0):
        libc("unshare", "create namespaces", flags)
    else:
        enter_user_namespace(flags)


def leave_host(flags: int, user: int, group: int, *, real_root: bool) -> None:
    """Leave the host's namespaces: as root, or else through a user namespace in which this user is ``user``, alone.

    Raises IsolationError.
    """
    if real_root:
        libc("unshare", "create namespaces", flags)
        return
    uid, gid = os.geteuid(), os.getegid()
    libc("unshare", "create namespaces", flags | CLONE_NEWUSER)
    map_one_user((user, uid), (group, gid))
