"""Make a root that has nothing of the host but the application.

Whatever else were there would hide what the application lacks. What every container has is provided: a minimal
``/dev``, ``/proc``, an empty ``/tmp`` and the loopback device. A host that refuses one of these, as containers
do, is no reason to give up: the rest is built, and a note says what is missing.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct

from .protocol import Cell
from .system import IsolationError, libc

# <sys/mount.h>
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 0x1, 0x2, 0x4, 0x8, 0x20
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 0x2
# <linux/sockios.h>
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def build_root(cell: Cell) -> list[str]:
    """Make ``/`` an empty root, or the cell's; return notes about what this host does not let us provide."""
    notes: list[str] = []
    root = cell.root
    keep_mounts_private()
    if cell.rootfs is not None:
        bind(cell.rootfs, root, MS_RDONLY | MS_NOSUID | MS_NODEV)
    else:
        furnish(cell, root)
    # An image without /tmp gets none. A link there would lead out, as this is not the root yet.
    if os.path.isdir(f"{root}/tmp") and not os.path.islink(f"{root}/tmp"):
        mount("tmpfs", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    try:
        mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except IsolationError as error:  # a container masks parts of its /proc, and the kernel keeps it so
        notes.append(f"/proc is empty, so mapped files are unknown: {error}")
    notes += build_dev(f"{root}/dev")
    remount(root, MS_RDONLY | MS_NOSUID | MS_NODEV)
    notes += enter_root(root)
    notes += raise_loopback()
    return notes


def furnish(cell: Cell, root: str) -> None:
    """Make an empty root with the binary, and the bundle if there is one."""
    mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    for name in ("app", "dev", "proc", "tmp"):
        os.mkdir(f"{root}/{name}")
    if cell.binary is not None:
        bind_file(cell.binary, f"{root}/app/{cell.name}", MS_RDONLY | MS_NOSUID | MS_NODEV)
    if cell.bundle is not None:
        os.mkdir(f"{root}/bundle")
        bind(cell.bundle, f"{root}/bundle", MS_RDONLY | MS_NOSUID | MS_NODEV)


def keep_mounts_private() -> None:
    """Keep what is mounted from here on from showing up on the host.

    Only a mount point can be made private, and the root of a chroot often is none. Joining the mount namespace once
    more leads out of the chroot to the real root, which is one; from there it is back into the chroot.
    """
    try:
        mount("none", "/", "", MS_REC | MS_PRIVATE)
        return
    except IsolationError as error:
        if error.code != errno.EINVAL:
            raise
    chroot = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    libc("setns", "look out of the chroot", namespace, 0)
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    os.fchdir(chroot)
    os.chroot(".")
    os.close(chroot)
    os.close(namespace)


def build_dev(dev: str) -> list[str]:
    """Provide the devices that every container has, bound: a user namespace cannot make nodes."""
    notes = []
    mount("tmpfs", dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755")
    for name in DEVICES:
        try:
            bind_file(f"/dev/{name}", f"{dev}/{name}", MS_NOSUID | MS_NOEXEC)
        except IsolationError as error:
            notes.append(f"no /dev/{name}: {error}")
    os.mkdir(f"{dev}/shm")
    mount("tmpfs", f"{dev}/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    os.symlink("/proc/self/fd", f"{dev}/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")
    remount(dev, MS_RDONLY | MS_NOSUID | MS_NOEXEC)
    return notes


def enter_root(root: str) -> list[str]:
    """Make ``root`` the root and detach the old one (the pivot_root(".", ".") of its manual page)."""
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


def raise_loopback() -> list[str]:
    """Bring ``lo`` up, because "no network" still means that a program can talk to itself (netdevice(7))."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            reply = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
            flags: int = struct.unpack("16sH22x", reply)[1]
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
    except OSError as error:
        return [f"the loopback interface is down: {error}"]
    return []


def bind_file(source: str, target: str, flags: int) -> None:
    """Make the file ``source`` appear as ``target``, which must not exist."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o444))
    bind(source, target, flags)


def bind(source: str, target: str, flags: int) -> None:
    """Make ``source`` appear at ``target``; the flags take a second call, since the first ignores them."""
    mount(source, target, "", MS_BIND | MS_REC)
    try:
        remount(target, flags)
    except IsolationError as error:
        if error.code != errno.EPERM:
            raise
        # In a user namespace the flags that the host set are locked: they have to be repeated.
        remount(target, flags | os.statvfs(target).f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC))


def remount(target: str, flags: int) -> None:
    """Set the flags of the mount at ``target``."""
    mount("none", target, "", MS_REMOUNT | MS_BIND | flags)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Attach a filesystem of type ``kind``, or with MS_BIND ``source`` itself, to ``target`` (mount(2))."""
    names = (os.fsencode(source), os.fsencode(target), kind.encode())
    libc("mount", f"mount {source} on {target}", *names, ctypes.c_ulong(flags), data.encode())
