"""What a file outside of the tree that imports have looked for is in the key.

What was there in the empty root, or only could be there, may be something else on the user's machine; then the imports
would go on to files that nobody has noted. So a path that did not exist must not exist, unless it is known to be the
end of the way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Optional, Union

from freezer.prove.snapshot.findings import ABSENT, CONTENT, FILE, LISTING, UNSUITABLE

ENDS = re.compile(
    r"/etc/(localtime|timezone|passwd|group|nsswitch\.conf|hosts|host\.conf|resolv\.conf|mime\.types|inputrc|services"
    r"|protocols|os-release|lsb-release|debian_version|gai\.conf|ld\.so\.cache)"
    r"|/usr/lib/os-release|/usr/share/zoneinfo/.*|/usr/(lib|share)/locale/.*"
    r"|/(etc|lib|usr/lib|usr/share)/terminfo(/.*)?|~/\.(inputrc|terminfo(/.*)?)"
    r"|.*/openssl\.cnf|.*/mime\.types"
)
"""Files whose content leads to no others that matter, whether they exist or not."""
COMPANIONS = {
    "openssl.cnf": (
        "/etc/crypto-policies/back-ends/opensslcnf.config",
        "/etc/crypto-policies/back-ends/openssl_fips.config",
        "/etc/crypto-policies/local.d",
    )
}
"""Files that such a file may include, by its name."""
CONTENTS = re.compile(
    r"/sys/devices/system/(cpu|node)/.*|/sys/fs/cgroup(/.*)?|/proc/(self/)?cgroup|/proc/(self/)?(mountinfo|mounts)"
    r"|/proc/sys/.*|/sys/kernel/mm/.*|/proc/(filesystems|version)"
)
"""Files of the kernel that rarely change."""
CPU_FOLDERS = re.compile(r"/sys/devices/system/(cpu|node)/?")
OWN = re.compile(r"/proc/self/(maps|exe|auxv)|/dev/null/.*")
"""Paths without consequence: the memory's layout is saved with it, the executable is in each key."""
ALWAYS_THERE = frozenset(("/", "/app", "/dev", "/etc", "/home", "/proc", "/sys", "/tmp", "/usr", "/var", "/root"))
RANDOM = frozenset(("/dev/urandom", "/dev/random"))
HOME, FOLDER, SEARCHED = "/tmp/probe/home", "/tmp/probe/cwd", "/probe-path"


class Entry(NamedTuple):
    """A path of the key, and its kind; ``path`` begins with "~" if it hangs on HOME."""

    path: str
    kind: str


class Objection(NamedTuple):
    """Why a path cannot be part of a key."""

    what: str
    hint: str


Verdict = Union[Sequence[Entry], Objection]


def judge_path(kind: str, path: str, exists: bool) -> Verdict:
    """Return what becomes of a path that was opened, looked at or listed (``kind`` is "open", "stat" or "list")."""
    if OWN.fullmatch(path) or (path in ALWAYS_THERE and kind == "stat"):
        return ()
    objection = _objection(path)
    if objection is not None:
        return objection
    if path == HOME or path.startswith(HOME + "/"):
        path = "~/" + path[len(HOME) + 1 :]
    if path.startswith(("/proc/", "/sys/")):
        return _of_kernel(kind, path)
    if ENDS.fullmatch(path):
        more = COMPANIONS.get(path.rpartition("/")[2], ())
        return [Entry(item, FILE) for item in (path, *more)]
    if not exists:
        return [Entry(path, ABSENT)]
    return [Entry(path, LISTING if kind == "list" else FILE)]


def _objection(path: str) -> Optional[Objection]:
    if UNSUITABLE & set(path):
        return Objection(f"looks for {path!r}, a name that no key can have", "rename the file")
    if path in RANDOM:
        return Objection(f"reads {path}", "draw random numbers in a function, not at import")
    if not path.startswith("/") or path == FOLDER or path.startswith(FOLDER + "/"):
        name = path.removeprefix(FOLDER).removeprefix("./").lstrip("/") or "its entries"
        return Objection(f"looks into the current directory for {name}", "look for files in a function, not at import")
    if path.startswith(SEARCHED):
        return Objection(
            f"looks for the program {path.rpartition('/')[2]} in the directories of PATH",
            "look for it when it is needed",
        )
    if path.startswith("/app/"):
        return Objection(
            f"looks for {path[5:]} beside the executable", "look for files of the user's in a function, not at import"
        )
    if path.startswith("/tmp/") and path != HOME and not path.startswith(HOME + "/"):
        return Objection(f"looks for {path} on the way up from a directory", "look for files in a function")
    return None


def _of_kernel(kind: str, path: str) -> Verdict:
    if CPU_FOLDERS.fullmatch(path):
        return [Entry("/sys/devices/system/cpu/possible", CONTENT), Entry("/sys/devices/system/cpu/online", CONTENT)]
    if CONTENTS.fullmatch(path) and kind != "list":
        return [Entry(path.replace("/proc/mounts", "/proc/self/mounts"), CONTENT)]
    return Objection(f"reads {path}, which is another in each start", "read it in a function, not at import")
