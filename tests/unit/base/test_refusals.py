"""Why isolation is refused: the system call and the errno decide, then what the kernel says of itself."""

from __future__ import annotations

import errno
import io
import os
from typing import Any

import pytest

from freezer.base.isolation import refusals as module
from freezer.base.isolation.refusals import explain
from freezer.base.isolation.system import IsolationError

CREATE, MOUNT, MAP = "create namespaces", "mount tmpfs on /x", "write /proc/self/uid_map"
APPARMOR: dict[str, Any] = {"apparmor_restrict_unprivileged_userns": "1\n"}
FILTER: dict[str, Any] = {"status": "Name:\tx\nSeccomp:\t2\n"}
ROOT: dict[str, Any] = {"mountinfo": "1 0 8:1 / / rw - ext4 /dev/sda rw\n"}
DOCKER: dict[str, Any] = {"current": "docker-default (enforce)\n"}


def cause(
    monkeypatch: pytest.MonkeyPatch, step: str, code: int, *, container: str = "", root: bool = False, **texts: Any
) -> str:
    """The explanation on a system with these files in /proc, and nothing else there."""
    files = {**ROOT, **texts}

    def fake_open(path: str, *_: Any) -> Any:
        name = path.rpartition("/")[2]
        if name not in files:
            raise FileNotFoundError(path)
        return io.StringIO(files[name])

    monkeypatch.setattr(module, "open", fake_open, raising=False)
    monkeypatch.setattr(module, "can_isolate_as_root", lambda _uid: root)
    monkeypatch.setattr(os.path, "exists", lambda path: path == container)
    return " / ".join(explain(IsolationError(step, code)))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EUSERS])
def test_limits(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    said = cause(monkeypatch, CREATE, code, max_user_namespaces="0\n")
    name = errno.errorcode[code]
    assert (
        said == f"create namespaces: {name}: user.max_user_namespaces is 0 / sysctl -w user.max_user_namespaces=10000"
    )
    assert "max_net_namespaces=10000" in cause(
        monkeypatch, CREATE, code, max_user_namespaces="9", max_net_namespaces="0"
    )
    assert "a limit on namespaces is reached" in cause(monkeypatch, CREATE, code, max_user_namespaces="9")
    # AppArmor, seccomp and the like do not answer so.
    assert "limit" in cause(monkeypatch, CREATE, code, container="/.dockerenv", **APPARMOR, **FILTER)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS])
def test_kernels_without(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    assert "this kernel lacks user namespaces" in cause(monkeypatch, CREATE, code, **APPARMOR)
    assert "this kernel lacks" not in cause(monkeypatch, MOUNT, code)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES])
@pytest.mark.parametrize("step", [CREATE, MAP, MOUNT])
def test_apparmor(monkeypatch: pytest.MonkeyPatch, step: str, code: int) -> None:
    said = cause(monkeypatch, step, code, **APPARMOR)
    assert said.startswith(f"{step}: {errno.errorcode[code]}: AppArmor restricts user namespaces of ordinary users")
    assert said.endswith("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root")
    assert "AppArmor restricts" not in cause(monkeypatch, step, code, root=True, **APPARMOR)


def test_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    said = cause(monkeypatch, CREATE, errno.EPERM, unprivileged_userns_clone="0")
    assert "unprivileged_userns_clone=1" in said
    assert "unprivileged_userns_clone" not in cause(monkeypatch, MOUNT, errno.EPERM, unprivileged_userns_clone="0")


@pytest.mark.parametrize("container", ["/.dockerenv", "/run/.containerenv"])
def test_containers(monkeypatch: pytest.MonkeyPatch, container: str) -> None:
    """The host's own settings are seen in a container, but the container's filter comes first."""
    said = cause(monkeypatch, CREATE, errno.EPERM, container=container, **APPARMOR, **FILTER)
    assert "EPERM: a seccomp filter forbids it" in said and "seccomp=unconfined" in said
    # With --cap-add SYS_ADMIN the filter permits namespaces, but no pivot_root.
    said = cause(monkeypatch, "pivot_root", errno.EPERM, container=container, **APPARMOR, **FILTER)
    assert "EPERM: a seccomp filter forbids it" in said
    # docker's profile of AppArmor denies the mounts.
    said = cause(monkeypatch, MOUNT, errno.EACCES, container=container, **APPARMOR, **FILTER, **DOCKER)
    assert "EACCES: the security policy of this container" in said and "apparmor=unconfined" in said
    # Without any profile, it is the host's restriction after all.
    assert "restricts" in cause(
        monkeypatch, MOUNT, errno.EACCES, container=container, **APPARMOR, current="unconfined\n"
    )


def test_a_filter_without_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "a seccomp filter" in cause(monkeypatch, CREATE, errno.EPERM, **FILTER)
    assert "a security policy" in cause(monkeypatch, CREATE, errno.EPERM, status="Seccomp:\t0\n")
    assert "a security policy" in cause(monkeypatch, MOUNT, errno.EPERM)


def test_a_chroot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not a mount point" in cause(monkeypatch, CREATE, errno.EPERM, mountinfo="1 0 8:1 / /srv rw - ext4 x rw\n")


def test_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cause(monkeypatch, MOUNT, errno.EIO).startswith(f"{MOUNT}: EIO: Input/output error; ")


@pytest.mark.parametrize("step", ["open /srv/root", "make etc/x", "read the root"])
def test_files(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    said = cause(monkeypatch, step, errno.EACCES, container="/.dockerenv", **APPARMOR, **FILTER)
    assert said.startswith(f"{step}: EACCES: Permission denied / check the permissions")


def test_no_disk_is_said_to_be_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the words of ENOSPC looks for space."""
    assert os.strerror(errno.ENOSPC) not in cause(monkeypatch, CREATE, errno.ENOSPC)


def test_this_system() -> None:
    assert all(explain(IsolationError(CREATE, errno.EPERM)))
