"""Why the kernel refuses isolation, and what to do about it, by the system call that failed and its errno.

The same errno has several causes. Those that can be looked up (the kernel's settings, a filter on this process, a
chroot) decide between them; a cause that was not found is named as a possible one. See unshare(2), mount(2),
user_namespaces(7), namespaces(7).
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import NamedTuple, Optional

from freezer.base.isolation.privileges import can_isolate_as_root
from freezer.base.isolation.system import IsolationError

DENIED = (errno.EPERM, errno.EACCES)
EXHAUSTED = (errno.ENOSPC, errno.EUSERS)
"""A limit on namespaces is reached; before Linux 4.9 it was EUSERS."""
UNKNOWN = (errno.EINVAL, errno.ENOSYS)
CREATE = "create namespaces"
"""The step of unshare(2)."""
FILTERED = (CREATE, "pivot_root")
"""The steps that docker's filter forbids; with CAP_SYS_ADMIN only the second."""
ON_FILES = ("open ", "make ", "read ")
"""How steps begin that depend on files, not on what the kernel permits."""
LIMITS = ("user", "mnt", "pid", "net", "ipc", "uts")
APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"
CLONE = "kernel.unprivileged_userns_clone"
CONTAINERS = ("/.dockerenv", "/run/.containerenv")
UNLOCK = (
    "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined, "
    "or run outside of it"
)


class Refusal(NamedTuple):
    """The cause of a refused step, with the errno's name, and what to try.

    The errno's usual text would mislead: ENOSPC, for one, is about namespaces here, and no disk is full.
    """

    cause: str
    remedy: str


def explain(error: IsolationError) -> Refusal:
    """Return why a step was refused, and what to do about it."""
    cause, remedy = _reason(error.step, error.code)
    return Refusal(f"{error.step}: {errno.errorcode.get(error.code, error.code)}: {cause}", remedy)


def _reason(step: str, code: int) -> tuple[str, str]:
    if step == CREATE and code in EXHAUSTED:
        return _exhausted()
    if step == CREATE and code in UNKNOWN:
        return "this kernel lacks user namespaces, or another kind", "run on a host whose kernel has them"
    if step.startswith(ON_FILES):
        return os.strerror(code), "check the permissions of that file or directory, and that it is no link"
    if code in DENIED:
        return _denied(step)
    return f"{os.strerror(code)}; freezer knows no setting that does this", "run on another host"


def _exhausted() -> tuple[str, str]:
    """Return the limit on namespaces that is reached."""
    for kind in LIMITS:
        name = f"user.max_{kind}_namespaces"
        if _setting(name) == "0":
            return (f"{name} is 0", f"sysctl -w {name}=10000")
    return (
        "a limit on namespaces is reached: their number, or their depth of 32",
        "raise the limits user.max_*_namespaces (sysctl), or nest fewer containers",
    )


def _denied(step: str) -> tuple[str, str]:
    """Return what denies a step: a chroot, a setting of the kernel, or a policy."""
    if _is_chroot():
        return ("this is a chroot whose root is not a mount point", "run outside of it, or bind-mount it on itself")
    container = any(os.path.exists(path) for path in CONTAINERS)
    ordinary = not can_isolate_as_root(0)
    filtered = step in FILTERED and _is_filtered()
    if ordinary and step == CREATE and _setting(CLONE) == "0":
        return (f"{CLONE} is 0", f"sysctl -w {CLONE}=1, or run as root")
    # AppArmor lets a process create a user namespace, and then denies it everything there.
    if ordinary and not (filtered and container) and _setting(APPARMOR) == "1" and not _is_confined():
        return (
            f"AppArmor restricts user namespaces of ordinary users ({APPARMOR} is 1)",
            f"sysctl -w {APPARMOR}=0, or run as root",
        )
    if filtered:
        return ("a seccomp filter forbids it, as docker's default one does", UNLOCK)
    if container:
        return ("the security policy of this container (seccomp, AppArmor or SELinux) forbids it", UNLOCK)
    return ("a security policy (seccomp, AppArmor or SELinux) forbids it", "change that policy, or run on another host")


def _setting(name: str) -> Optional[str]:
    """Return a setting of sysctl(8), None if this kernel does not have it."""
    with suppress(OSError), open("/proc/sys/" + name.replace(".", "/")) as stream:
        return stream.read().strip()
    return None


def _is_chroot() -> bool:
    """Return whether the root of this process is not a mount point, as proc(5) shows the mounts."""
    with suppress(OSError), open("/proc/self/mountinfo") as stream:
        return not any(line.split()[4] == "/" for line in stream)
    return False


def _is_filtered() -> bool:
    """Return whether a seccomp filter is on this process (proc(5))."""
    with suppress(OSError), open("/proc/self/status") as stream:
        return any(line.split() == ["Seccomp:", "2"] for line in stream)
    return False


def _is_confined() -> bool:
    """Return whether this process has a profile of AppArmor, to which the restriction does not apply."""
    with suppress(OSError), open("/proc/self/attr/current") as stream:
        return stream.read().strip("\0\n") not in ("", "unconfined")
    return False
