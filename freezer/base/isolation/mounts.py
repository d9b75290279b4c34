"""Mount file systems and change the root, in the process's own mount namespace (mount(2), pivot_root(2))."""

from __future__ import annotations

import ctypes
import errno
import os

from freezer.base.isolation.system import IsolationError, libc

# <sys/mount.h>


MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 0x1, 0x2, 0x4, 0x8, 0x20


MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 0x2


DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


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


def build_dev(dev: str) -> list[str]:
    """Provide the devices that every container has, by bind mounts: a user namespace cannot make nodes."""
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
        # In a user namespace the flags that the host set are locked: repeat them.
        remount(target, flags | os.statvfs(target).f_flag & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC))


def remount(target: str, flags: int) -> None:
    """Set the flags of the mount at ``target``."""
    mount("none", target, "", MS_REMOUNT | MS_BIND | flags)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Attach a filesystem of type ``kind``, or with MS_BIND ``source`` itself, to ``target`` (mount(2))."""
    names = (os.fsencode(source), os.fsencode(target), kind.encode())
    libc("mount", f"mount {source} on {target}", *names, ctypes.c_ulong(flags), data.encode())
