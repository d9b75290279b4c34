"""Words in front of a command that run it where the kernel refuses new namespaces, in the ways that are common."""

from __future__ import annotations

import platform
import sys

from support import lacking, need_program

UNSHARE = {"x86_64": 272, "aarch64": 97}
"""The number of unshare(2)."""

PROGRAM = """
import ctypes, errno, os, struct, sys
unshare, libc = int(sys.argv[1]), ctypes.CDLL(None)
# Load the number of the system call; for unshare return ERRNO | EPERM, for all others ALLOW (seccomp(2), bpf(4)).
code = [(0x20, 0, 0, 0), (0x15, 0, 1, unshare), (0x06, 0, 0, 0x50000 | errno.EPERM), (0x06, 0, 0, 0x7FFF0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(text)))
zero = ctypes.c_ulong(0)
assert libc.prctl(38, ctypes.c_ulong(1), zero, zero, zero) == 0
assert libc.prctl(22, ctypes.c_ulong(2), program) == 0
os.execvp(sys.argv[2], sys.argv[2:])
"""


def without_unshare() -> list[str]:
    """A seccomp filter, as container engines have one."""
    if platform.machine() not in UNSHARE:
        lacking(f"the number of unshare on {platform.machine()} is unknown")
    return [sys.executable, "-c", PROGRAM, str(UNSHARE[platform.machine()])]


def without_user_namespaces() -> list[str]:
    """The limit of user namespaces is 0."""
    script = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
    return [need_program("unshare"), "--user", "--map-root-user", "sh", "-e", "-c", script, "sh"]


REFUSALS = {"filter": without_unshare, "limit": without_user_namespaces}
REASONS = {
    "filter": (
        "create namespaces: EPERM: a seccomp filter forbids it",
        "seccomp=unconfined",
    ),
    "limit": ("create namespaces: ENOSPC: user.max_user_namespaces is 0", "max_user_namespaces=10000"),
}
"""What freezer says then: the cause, and a part of what to try."""
