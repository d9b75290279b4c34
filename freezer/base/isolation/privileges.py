"""The privileges of this process: checking and dropping them.

Mounting needs privileges of root, or of a user namespace. They are checked first, since a container's root may lack
some. The application runs without privileges, as in its image.
"""

from __future__ import annotations

import ctypes
import os
import struct

from freezer.base.isolation.system import LIBC, die_with_parent, libc

# <linux/prctl.h>, <linux/capability.h>
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CAPABILITY_VERSION_3 = 0x20080522

# DAC_OVERRIDE, KILL, SETGID, SETUID, SETPCAP, NET_ADMIN, SYS_CHROOT, SYS_PTRACE, SYS_ADMIN: if root lacks one of
# them, as in a container, a new user namespace is better, as it has all of them.
NEEDED_CAPABILITIES = sum(1 << number for number in (1, 5, 6, 7, 8, 12, 18, 19, 21))

# CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, KILL, SETGID, SETUID: those that a package manager needs.
KEPT_CAPABILITIES = sum(1 << number for number in range(8))


def can_isolate_as_root(uid: int) -> bool:
    """Return whether this process may mount and may become ``uid``; root in a container may lack either."""
    with open("/proc/self/status") as stream:
        capabilities = next(int(line.split()[1], 16) for line in stream if line.startswith("CapEff:"))
    with open("/proc/self/uid_map") as stream:
        ranges = [[int(field) for field in line.split()] for line in stream]
    has_uid = any(first <= uid < first + count for first, _, count in ranges)
    return os.geteuid() == 0 and has_uid and capabilities & NEEDED_CAPABILITIES == NEEDED_CAPABILITIES


def limit_capabilities() -> None:
    """Keep only the capabilities that installing files needs, in this process and its children."""
    for number in range(64):
        if not KEPT_CAPABILITIES >> number & 1 and LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number)) != 0:
            break  # past the last capability of this kernel
    libc("prctl", "set no_new_privs", PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))


def drop_privileges(uid: int, gid: int, *, real_root: bool) -> None:
    """Become a user without capabilities, for ever; only ``real_root`` has to change its user."""
    for number in range(64):
        if LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(number)) != 0:
            break  # past the last capability of this kernel
    if real_root:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    libc("capset", "drop capabilities", struct.pack("Ii", CAPABILITY_VERSION_3, 0), bytes(24))
    libc("prctl", "set no_new_privs", PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    die_with_parent()  # a change of user resets it
