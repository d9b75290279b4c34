"""Run a command with the chroot that it is in as the root of a mount namespace of its own.

    python tests/reroot.py COMMAND [ARGUMENT...]

In a chroot the kernel grants no user namespaces, and mounts cannot be made private, both of which the tests need. What
looks like the root is made the real one, of a namespace that ends with the command; nothing outside changes. Needs root
and a mounted /proc; see pivot_root(2), setns(2).
"""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 0x2
LIBC = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library; raise OSError if it fails."""
    if getattr(LIBC, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def become_root_of_namespace() -> None:
    """Turn this process's root directory into the root of a new mount namespace."""
    here = os.getcwd()
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    call("unshare", CLONE_NEWNS)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    call("setns", namespace, 0)  # leads to the namespace's own root, out of the chroot
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    os.fchdir(root)
    place = os.fsencode(os.getcwd())
    call("mount", place, place, None, MS_BIND | MS_REC, None)
    os.chdir(place)
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.close(root)
    os.close(namespace)
    os.chdir(here)


if __name__ == "__main__":
    become_root_of_namespace()
    os.execvp(sys.argv[1], sys.argv[1:])
