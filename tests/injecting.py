"""Commands during which a call of the C library fails: each call once, with each error that it can fail with.

``python tests/injecting.py TOP SCENARIO WAY...`` runs a command of freezer's again and again, in forks of one
process that was started with ``failing.c`` in LD_PRELOAD, and prints for each run which call failed, how the command
ended, and what is on the disk then. All is below the directory TOP: ``input`` is read, ``out`` is written,
``cache`` is freezer's.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from plans import plan
from support import compile_c

import freezer.cli.main as cli
from freezer.base.job import Job
from freezer.base.log import Log
from freezer.prove.unpack import unpack_bundle
from freezer.store import entries
from freezer.store import workspace as module
from freezer.store.unpacked_roots import cached_root
from freezer.store.workspace import reading, workspace
from freezer.system.chroot import roots
from freezer.system.chroot.network import NetworkFiles
from freezer.system.chroot.packages import copy_root

OPENS, GROWS, TOUCHES = 1, 2, 4
"""The kinds of calls: those that need a descriptor, space on the disk, or the disk."""
WAYS = {
    "EMFILE": (errno.EMFILE, OPENS, False),
    "ENOMEM": (errno.ENOMEM, OPENS | GROWS, False),
    "EIO": (errno.EIO, TOUCHES, False),
    "ENOSPC": (errno.ENOSPC, GROWS, False),
    "ENOSPC for good": (errno.ENOSPC, GROWS, True),
}
"""The number of an error, the kinds of calls that can fail with it, and whether all calls fail from then on."""
PREVIOUS = b"\x7fELF the previous output"
State = dict[str, tuple[object, ...]]


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended during which ``call`` failed, and what it has changed below TOP."""

    call: str
    way: str
    status: int
    stdout: str
    stderr: str
    partial: list[str]
    """The paths that are neither as before, nor as after a run in which nothing failed."""
    whole: bool
    """Whether all is as after a run in which nothing failed."""


def compile_failing(folder: Path) -> Path:
    """The library that lets calls fail."""
    source = Path(__file__).with_name("failing.c").read_text()
    return compile_c(
        source, folder / "failing.so", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"
    )


def inject(library: Path, top: Path, scenario: str, ways: Sequence[str] = tuple(WAYS)) -> list[Ended]:
    """Run a scenario in a process of its own; the last of its ends is that of a run in which nothing failed."""
    command = [sys.executable, __file__, str(top), scenario, *ways]
    env = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=env, cwd=top, stdout=subprocess.PIPE, text=True, check=True)
    return [Ended(**json.loads(line)) for line in done.stdout.splitlines()]


# What the program does


def state_of(top: Path) -> State:
    """All files but logs and locks; those that are only read, by their times."""
    found: State = {}
    for directory, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = Path(directory, name)
            key, status = str(path.relative_to(top)), path.lstat()
            if key.startswith(("cache/freezer/log/", "said")) or key.endswith((".lock", "origin.json")):
                continue
            content: object = os.readlink(path) if path.is_symlink() else ""
            if path.is_file() and not path.is_symlink():
                content = status.st_mtime_ns if key.startswith("input/") else path.read_bytes()
            found[key] = (status.st_mode, content)
    return found


def root_of(top: Path, name: str) -> Callable[..., int]:
    """Stands for the command build: open the root to build in, and nothing more."""

    def command(_arguments: object, _rest: object) -> int:
        settings = plan(top / "input/site", entry="app.py", requirement=["r.txt"], chroot=str(top / "input" / name))
        with workspace(top / "cache/freezer", "app", keep=False, log=Log()) as job:
            roots.open_root(settings, job)
        return 0

    return command


def copy_of_root(top: Path) -> Callable[..., int]:
    """Stands for the command build: copy a root, as for adding packages."""
    given = top / "input/root"

    def command(_arguments: object, _rest: object) -> int:
        with workspace(top / "cache/freezer", "app", keep=False, log=Log()) as job:
            cached_root(top / "cache/freezer/roots/key", str(given), lambda folder: _copy(given, folder), job)
        return 0

    return command


def unpack(top: Path) -> Callable[..., int]:
    """Stands for the command inspect: unpack an executable, and say what is in it."""

    def command(_arguments: object, _rest: object) -> int:
        with reading(top / "input/linked", "inspect", top / "cache/freezer", Log()) as job:
            found = unpack_bundle(top / "input/linked", job.work / "unpacked")
            assert found is not None
            print(found.program, found.loader, found.files())
        return 0

    return command


def _copy(source: Path, target: Path) -> None:
    assert copy_root(source, target) == []


def scenario_of(top: Path, words: list[str]) -> Callable[[], int]:
    name, *rest = words
    if name in ("root", "copy", "unpack"):
        own = root_of(top, *rest) if name == "root" else copy_of_root(top) if name == "copy" else unpack(top)
        cli.COMMANDS["build"] = own
        return lambda: cli.main(["build"])
    return lambda: cli.main([word.replace("@", str(top)) for word in words])


def reset(top: Path) -> None:
    """Make all as before the first run."""
    if not (top / "cache").exists():
        with workspace(top / "cache/freezer", "app", keep=False, log=Log(stream=open(os.devnull, "w"))):
            pass
    for name in ("cache/freezer/roots", "cache/freezer/work", "cache/freezer/pip", "cache/freezer/log", "out"):
        shutil.rmtree(top / name, ignore_errors=True)
        (top / name).mkdir()
    (top / "out/result").write_bytes(PREVIOUS)


def run_forked(act: Callable[[], int], top: Path) -> tuple[str, int]:
    """Act in a fork; return the name of the call that failed, "" if none did, and the status."""
    library = ctypes.CDLL(None)
    library.failing_disarm.restype = ctypes.c_char_p
    child = os.fork()
    if not child:
        for number, name in enumerate(("stdout", "stderr"), 1):
            os.dup2(os.open(top / f"said.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        note = os.open(top / "said.call", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        status = 99
        try:
            status = act()
        finally:
            os.write(note, library.failing_disarm())
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (top / "said.call").read_text(), status


def arming(way: str, turn: int) -> Callable[[], None]:
    code, kinds, lasting = WAYS[way]
    return lambda: ctypes.CDLL(None).failing_arm(code, kinds, turn, int(lasting))


def armed(act: Callable[[], int], arm: Callable[[], None], at_once: bool) -> Callable[[], int]:
    """The same act, in which calls fail at once, or as soon as there is a work directory."""

    def armed_act() -> int:
        real = module._shortages_named

        @contextlib.contextmanager
        def named(job: Job) -> Iterator[None]:
            with real(job):
                arm()
                yield

        module._shortages_named = named
        if at_once:
            arm()
        return act()

    return armed_act


def runs(act: Callable[[], int], top: Path, ways: Sequence[str], at_once: bool) -> Iterator[Ended]:
    reset(top)
    before = state_of(top)
    run_forked(act, top)
    after = state_of(top)
    for way in ways:
        for turn in range(100_000):
            reset(top)
            call, status = run_forked(armed(act, arming(way, turn), at_once), top)
            now = state_of(top)
            stdout, stderr = ((top / f"said.{name}").read_text() for name in ("stdout", "stderr"))
            keys = before.keys() | now.keys()
            partial = sorted(key for key in keys if now.get(key) not in (before.get(key), after.get(key)))
            yield Ended(call, way, status, stdout, stderr, partial, now == after)
            if not call:
                break


def main(top: Path, scenario: str, ways: Sequence[str]) -> None:
    roots.network_files = lambda _environ, _job: NetworkFiles((), {})  # type: ignore[assignment, attr-defined]
    os.environ.update(XDG_CACHE_HOME=str(top / "cache"), HOME=str(top / "home"), TMPDIR=str(top / "tmp"))
    # What launchers of others have unpacked is no part of it.
    entries.SHARED = (str(top / "shared"),) * 3
    at_once = scenario.startswith("at once: ")
    act = scenario_of(top, scenario.removeprefix("at once: ").split(" "))
    reset(top)
    # What is imported late is imported now, and the forks have it.
    stdout = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    act()
    sys.stdout.flush()
    os.dup2(stdout, 1)
    for ended in runs(act, top, ways, at_once):
        print(json.dumps(dataclasses.asdict(ended)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
