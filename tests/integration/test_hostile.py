"""Roots that somebody made to reach the host through: whatever is in them, the host stays as it was.

As tars, as images and as directories; prepared, read, copied, entered and removed; by root, and by an ordinary user in
namespaces. See tests/hostile.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hostile
import pytest
from hostile import FORMS, Hostile
from support import CHECKOUT, ORDINARY, PATIENCE, as_user, need_root

USERS = ("root", "ordinary user")
PARTS = 8


@pytest.fixture(scope="module")
def program_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An executable for roots without a C library."""
    return hostile.make_program(tmp_path_factory.mktemp("program") / "program")


@pytest.fixture
def top() -> Iterator[Path]:
    """A directory that everybody can reach."""
    with tempfile.TemporaryDirectory(prefix="freezer-hostile-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def treat(top: Path, roots: list[Hostile], form: str, user: str, **options: bool) -> dict[str, list[str]]:
    """Have roots treated by a process of its own, which is a user's; return how that went."""
    given, work, staging = top / "given", top / "work", top / "staging"
    for folder in (given, work, staging):
        folder.mkdir()
    paths = {root.name: str(FORMS[form](root, given / str(number))) for number, root in enumerate(roots)}
    request = {"host": str(top / "host"), "top": str(work), "roots": paths, "without_openat2": False, **options}
    (given / "request.json").write_text(json.dumps(request))
    prefix: list[str] = []
    if user != "root":
        prefix = as_user(ORDINARY, staging)
        for place in (top / "host", *(top / "host").rglob("*"), work, given, *given.rglob("*")):
            os.chown(place, ORDINARY, ORDINARY, follow_symlinks=False)
    before = hostile.state_of(top / "host")
    done = subprocess.run(
        [*prefix, sys.executable, str(CHECKOUT / "tests/hostile.py"), str(given / "request.json")],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "HOME": str(work)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert hostile.state_of(top / "host") == before
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("form", "user"), [("directory", "root"), ("tar", "root"), ("layout", "ordinary user"), ("tar", "ordinary user")]
)
def test_the_host_stays_as_it_was(form: str, user: str, top: Path, program_file: bytes) -> None:
    need_root()

    def part(number: int) -> dict[str, list[str]]:
        place = top / str(number)
        place.mkdir()
        roots = hostile.hostile_roots(hostile.make_host(place / "host"), program_file)
        assert len(roots) >= 200
        return treat(place, roots[number::PARTS], form, user)

    # Mounting and unmounting is waiting for the kernel, most of the time.
    with ThreadPoolExecutor(PARTS) as pool:
        ends = {name: end for reply in pool.map(part, range(PARTS)) for name, end in reply.items()}
    assert len(ends) >= 200
    assert {name: end for name, end in ends.items() if end[0].startswith("broken")} == {}
    # Most are entered all the same, with packages and without: a root is not refused for a link.
    assert sum(end == ["entered", "entered"] for end in ends.values()) > len(ends) * 2 / 3


def test_without_openat2(top: Path, program_file: bytes) -> None:
    need_root()
    roots = hostile.hostile_roots(hostile.make_host(top / "host"), program_file)
    some = [root for root in roots if root.name.startswith(("etc:", "etc/hosts:", "tmp:", "usr/lib/locale:"))]
    ends = treat(top, some, "directory", "root", without_openat2=True)
    assert {name: end for name, end in ends.items() if end[0].startswith("broken")} == {}
    assert sum(end == ["entered", "entered"] for end in ends.values()) > len(ends) * 2 / 3
