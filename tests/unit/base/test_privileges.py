"""What a process may do, and giving it up for good."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE, need_root

from freezer.base.isolation import privileges as module
from freezer.base.isolation.privileges import KEPT_CAPABILITIES, NEEDED_CAPABILITIES, can_isolate_as_root

ALL = "000001ffffffffff"


class Files:
    """Stands in for files of /proc: the kernel's are not ours to change."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts

    def open(self, path: str, *_: Any) -> Any:
        import io

        name = path.rpartition("/")[2]
        if name not in self.texts:
            raise FileNotFoundError(path)
        return io.StringIO(self.texts[name])


@pytest.fixture
def proc(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_up(**texts: str) -> None:
        monkeypatch.setattr(module, "open", Files(**texts).open, raising=False)

    return set_up


@pytest.mark.parametrize(
    ("user", "capabilities", "uid_map", "uid", "can"),
    [
        (0, ALL, "0 0 4294967295", 65534, True),
        (0, f"{NEEDED_CAPABILITIES:016x}", "0 0 4294967295", 65534, True),
        (0, f"{NEEDED_CAPABILITIES & ~(1 << 21):016x}", "0 0 4294967295", 0, False),
        (0, "00000000a80425fb", "0 0 4294967295", 0, False),
        (0, ALL, "0 1000 1", 65534, False),
        (0, ALL, "0 1000 1\n1 100000 65535", 65534, True),
        (0, ALL, "0 1000 1", 0, True),
        (1000, ALL, "0 0 4294967295", 65534, False),
    ],
)
def test_root_of_a_container_may_lack_either(
    proc: Callable[..., None], monkeypatch: pytest.MonkeyPatch, user: int, capabilities: str, uid_map: str, uid: int,
    can: bool,
) -> None:  # fmt: skip
    proc(status=f"Name:\tx\nCapEff:\t{capabilities}\n", uid_map=uid_map + "\n")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert can_isolate_as_root(uid) is can


def test_what_is_kept_is_less_than_what_is_needed_to_mount() -> None:
    assert KEPT_CAPABILITIES == 0xFF
    assert not KEPT_CAPABILITIES >> 21 & 1


CODE = """
import os, sys
from freezer.base.isolation.privileges import drop_privileges, limit_capabilities
{call}
lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(os.getresuid(), os.getresgid(), os.getgroups())
print(*(lines[name].strip() for name in ("CapEff", "CapPrm", "CapBnd", "NoNewPrivs")))
"""


def after(call: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(call=call)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_privileges_are_gone_for_good() -> None:
    need_root()
    who, what = after("drop_privileges(65534, 65533, real_root=True)")
    assert who == f"{(65534,) * 3} {(65533,) * 3} []"
    assert what.split() == ["0" * 16] * 3 + ["1"]


def test_a_root_of_a_user_namespace_stays_who_it_is() -> None:
    need_root()
    who, what = after("drop_privileges(65534, 65533, real_root=False)")
    assert who.startswith(str((0, 0, 0)))
    assert what.split() == ["0" * 16] * 3 + ["1"]


def test_capabilities_are_limited_to_those_of_a_package_manager() -> None:
    need_root()
    _, what = after("limit_capabilities()")
    assert int(what.split()[2], 16) & ~KEPT_CAPABILITIES == 0
    assert what.split()[3] == "1"


def test_this_process_is_judged() -> None:
    """With the kernel's own files, whoever runs this."""
    assert isinstance(can_isolate_as_root(0), bool)
    assert Path("/proc/self/status").is_file()
