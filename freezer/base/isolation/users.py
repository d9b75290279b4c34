"""User namespaces and their users (user_namespaces(7), subuid(5), newuidmap(1)).

A process may map its own user. A range of further users, as package managers need, requires a privileged program, and
an entry for the user in /etc/subuid and /etc/subgid.
"""

from __future__ import annotations

import errno
import os
import pwd
import shutil
from contextlib import suppress

from freezer.base.isolation.system import IsolationError, libc

CLONE_NEWUSER = 0x10000000  # <sched.h>
RANGE = 65535
"""The number of users that a distribution needs besides root."""


def enter_user_namespace(flags: int) -> None:
    """Unshare with ``flags``, and become root of a new user namespace, with a range of users if possible.

    Raises IsolationError.
    """
    uid, gid = os.geteuid(), os.getegid()
    maps = subordinate_maps(uid, gid)
    reading, writing = os.pipe()
    helper = os.fork()
    if not helper:
        # This child stays outside the namespace, as only a process outside may map a range into it.
        status = 1
        try:
            os.close(writing)
            if os.read(reading, 1):
                us = str(os.getppid())
                results = [os.spawnv(os.P_WAIT, path, [path, us, *words]) for path, words in maps.items()]
                status = 0 if results and not any(results) else 1
        finally:
            os._exit(status)
    os.close(reading)
    libc("unshare", "create namespaces", flags | CLONE_NEWUSER)
    if maps:
        os.write(writing, b"m")
    os.close(writing)
    _, status = os.waitpid(helper, 0)
    if status != 0:
        map_one_user((0, uid), (0, gid))


def subordinate_maps(uid: int, gid: int) -> dict[str, list[str]]:
    """Return the programs that map a range of users and groups, with their arguments; empty if either is missing."""
    maps = {}
    for program, file, own in (("newuidmap", "/etc/subuid", uid), ("newgidmap", "/etc/subgid", gid)):
        path, start = shutil.which(program), subordinate_start(file, uid)
        if path is None or start is None:
            return {}
        maps[path] = ["0", str(own), "1", "1", str(start), str(RANGE)]
    return maps


def subordinate_start(file: str, uid: int) -> int | None:
    """Return the first of at least RANGE ids that ``file`` grants to a user (subuid(5)); None if there are none."""
    names = {str(uid)}
    with suppress(KeyError):
        names.add(pwd.getpwuid(uid).pw_name)
    with suppress(OSError, ValueError), open(file, encoding="utf-8") as stream:
        for line in stream:
            fields = line.strip().split(":")
            if len(fields) == 3 and fields[0] in names and int(fields[2]) >= RANGE:
                return int(fields[1])
    return None


def map_one_user(user: tuple[int, int], group: tuple[int, int]) -> None:
    """Map one (inside, outside) user and group into the new user namespace of this process."""
    lines = {"setgroups": "deny", "gid_map": f"{group[0]} {group[1]} 1", "uid_map": f"{user[0]} {user[1]} 1"}
    for name, line in lines.items():
        try:
            with open(f"/proc/self/{name}", "w") as stream:
                stream.write(line)
        except OSError as error:
            raise IsolationError(f"write /proc/self/{name}", error.errno or errno.EIO) from error
