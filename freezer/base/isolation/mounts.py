"""Mount file systems and change the root, in the process's own mount namespace (mount(2), pivot_root(2))."""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Iterator

from freezer.base.isolation.system import LIBC, IsolationError, libc

# <sys/mount.h>
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 0x1, 0x2, 0x4, 0x8, 0x20
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 0x2
RESTRICTIONS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
"""These four are the same numbers as MOUNT_ATTR_* of <linux/mount.h>."""
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000  # <asm/unistd.h>, <fcntl.h>
ABSENT = (errno.ENOSYS, errno.EPERM)
"""There is no such call, as before Linux 5.12, or a filter forbids it."""
ESCAPED = re.compile(r"\\([0-7]{3})")


def keep_mounts_private() -> None:
    """Keep later mounts invisible to the host.

    Only a mount point can be made private, and the root of a chroot often is not one. In that case, join the mount
    namespace again: that leads out of the chroot to the real root, which is a mount point. Then enter the chroot again.
    """
    try:
        mount("none", "/", "", MS_REC | MS_PRIVATE)
        return
    except IsolationError as error:
        if error.code != errno.EINVAL:
            raise
    chroot = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    libc("setns", "leave the chroot", namespace, 0)
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    os.fchdir(chroot)
    os.chroot(".")
    os.close(chroot)
    os.close(namespace)


def enter_root(root: str | int) -> list[str]:
    """Make ``root``, a path or a descriptor, the root and detach the old one (the pivot_root(".", ".") of its manual
    page)."""
    os.chdir(root)
    try:
        libc("pivot_root", "pivot_root", b".", b".")
    except IsolationError as error:
        if error.code != errno.EINVAL:
            raise
        os.chroot(".")  # the root of an initramfs cannot be pivoted away
        os.chdir("/")
        return ["the root was changed with chroot: this host's root cannot be pivoted"]
    libc("umount2", "detach the old root", b".", MNT_DETACH)
    os.chdir("/")
    return []


class _Attributes(ctypes.Structure):
    """struct mount_attr of <linux/mount.h>."""

    _fields_ = tuple((name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns"))


def bind(source: str, target: str, flags: int, *, step: str = "") -> None:
    """Make ``source``, and what is mounted below it, appear at ``target``; the flags, which are for all of these
    mounts, take further calls, since the first ignores them."""
    mount(source, target, "", MS_BIND | MS_REC, step=step)
    restrict(target, flags, step=step)


def restrict(target: str, flags: int, *, step: str = "") -> None:
    """Set the flags of the mount at ``target``, and add them to those of all mounts below it."""
    remount_bound(target, flags, step=step)
    attributes = _Attributes(set=flags & RESTRICTIONS)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    words = (ctypes.c_int(AT_FDCWD), os.fsencode(target), ctypes.c_uint(AT_RECURSIVE), ctypes.byref(attributes), size)
    if LIBC.syscall(ctypes.c_long(MOUNT_SETATTR), *words) == 0:
        return
    code = ctypes.get_errno()
    if code not in ABSENT:
        raise IsolationError(step or f"mount on {target} again", code)
    for place in mounts_below(os.path.realpath(target)):
        remount_bound(place, flags | os.statvfs(place).f_flag & RESTRICTIONS, step=step)


def mounts_below(path: str) -> Iterator[str]:
    """Yield the places below a path, which has no links, on which something is mounted (proc_pid_mountinfo(5))."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            place = ESCAPED.sub(lambda match: chr(int(match[1], 8)), line.split()[4])
            if place.startswith(path.rstrip("/") + "/"):
                yield place


def remount_bound(target: str, flags: int, *, step: str = "") -> None:
    """Set the flags of the mount at ``target``, and keep those that the host set for good."""
    try:
        remount(target, flags, step=step)
    except IsolationError as error:
        if error.code != errno.EPERM:
            raise
        # In a user namespace the flags that the host set are locked: they have to be repeated.
        locked = os.statvfs(target).f_flag & RESTRICTIONS
        remount(target, flags | locked, step=step)


def remount(target: str, flags: int, *, step: str = "") -> None:
    """Set the flags of the mount at ``target``."""
    mount("none", target, "", MS_REMOUNT | MS_BIND | flags, step=step)


def mount(source: str, target: str, kind: str, flags: int, data: str = "", *, step: str = "") -> None:
    """Attach a filesystem of type ``kind``, or with MS_BIND ``source`` itself, to ``target`` (mount(2)).

    Raises IsolationError, which names ``step`` if ``target`` is no name for people.
    """
    names = (os.fsencode(source), os.fsencode(target), kind.encode())
    libc("mount", step or f"mount {source} on {target}", *names, ctypes.c_ulong(flags), data.encode())
