"""One run of a program, and what can be seen of it: time, memory, processes, and files that it leaves about meanwhile.

A program is looked at while it waits: its standard output is a pipe that is full already, so that it comes as far as
its first line and no further, whatever it is. Then everything that belongs to it is there to be counted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 120
"""Seconds for a program to come as far as its output."""
QUIET = 0.4
"""Seconds in which nothing of a program has run, so that it waits for us."""
POLL = 0.02


@dataclass(frozen=True)
class Run:
    """From fork to exit. ``wall`` and ``processor`` (user and system) are in seconds, those of all processes that were
    waited for; ``memory`` is the highest resident set of any one of them, in bytes (never less than what the benchmark
    itself takes up, which a new process begins as)."""

    wall: float
    processor: float
    memory: int


@dataclass(frozen=True)
class Sight:
    """A program while it runs: its processes, what they take of the memory together (the sum of their proportional set
    sizes), and what there is of it in temporary directories and in its cache that was not there before; in bytes."""

    processes: int
    memory: int
    written: int


class Failed(Exception):
    """A program did not do what it should."""


def spawn(command: Sequence[str], env: Mapping[str, str], output: int, errors: int) -> int:
    """Start a program in a process group of its own; its ID. The descriptors become its output and errors."""
    actions = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, errors, 2)]
    return os.posix_spawn(command[0], list(command), env, file_actions=actions, setpgroup=0)


def run(command: Sequence[str], env: Mapping[str, str]) -> Run:
    """Run a program to its end. Raises Failed if its status is not 0."""
    with open(os.devnull, "wb") as nowhere:
        started = time.perf_counter()
        process = spawn(command, env, nowhere.fileno(), nowhere.fileno())
        _, status, usage = os.wait4(process, 0)
        wall = time.perf_counter() - started
    if status:
        raise Failed(f"{' '.join(command)} ended with status {os.waitstatus_to_exitcode(status)}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def look(command: Sequence[str], env: Mapping[str, str], temporary: Path, cache: Path) -> Sight:
    """Run a program as far as its output, look, and let it end. It writes to the two directories alone."""
    before = _bytes_below(cache)
    with full_pipe() as (out, into), open(os.devnull, "wb") as nowhere:
        process = spawn(command, env, into, nowhere.fileno())
        os.close(into)
        try:
            members = _when_quiet(process)
            memory = sum(_proportional_memory(member) for member in members)
            return Sight(len(members), memory, _bytes_below(temporary) + _bytes_below(cache) - before)
        finally:
            while os.read(out, 1 << 16):
                pass
            os.waitpid(process, 0)


@contextlib.contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """A pipe that takes nothing more until it is read from; the caller closes the end that is written to."""
    out, into = os.pipe()
    fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(into, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(into, bytes(4096))
    os.set_blocking(into, True)
    try:
        yield out, into
    finally:
        os.close(out)


def _when_quiet(group: int) -> list[int]:
    """The processes of a group once they all sleep. Raises Failed."""
    deadline = time.monotonic() + PATIENCE
    since, known = time.monotonic(), ""
    while time.monotonic() < deadline:
        members = dict(members_of(group))
        state = repr(sorted(members.items()))
        if state != known or not members or any(not line.startswith("S") for line in members.values()):
            since, known = time.monotonic(), state
        elif time.monotonic() - since > QUIET:
            return sorted(members)
        time.sleep(POLL)
    raise Failed("it did not come to its output")


def members_of(group: int) -> Iterator[tuple[int, str]]:
    """The processes of a group that have not ended; each with its state and its ticks of processor time (proc(5))."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            yield int(name), " ".join((fields[0], fields[11], fields[12]))


def _proportional_memory(process: int) -> int:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _bytes_below(folder: Path) -> int:
    return sum(item.lstat().st_size for item in folder.rglob("*") if item.is_file() and not item.is_symlink())


@dataclass(frozen=True)
class Surroundings:
    """Where programs run: an environment that names what they may write to, and nothing else of this one."""

    home: Path

    @property
    def temporary(self) -> Path:
        """Their directory for temporary files."""
        return self.home / "tmp"

    @property
    def cache(self) -> Path:
        """Where those that unpack once do so."""
        return self.home / "cache"

    def environment(self, cache: Path | None = None) -> dict[str, str]:
        """What they are run with; ``cache`` is another one than the usual."""
        return {
            "PATH": os.defpath,
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "FREEZER_CACHE": str(cache or self.cache),
            "LANG": "C.UTF-8",
        }

    @contextlib.contextmanager
    def fresh_cache(self) -> Iterator[dict[str, str]]:
        """The same environment with a cache that has nothing in it, and is gone afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self.home))
        try:
            yield self.environment(folder)
        finally:
            shutil.rmtree(folder)


@contextlib.contextmanager
def surroundings(folder: Path | None = None) -> Iterator[Surroundings]:
    """Surroundings below a folder, that of temporary files if none is given, for as long as they are needed."""
    with tempfile.TemporaryDirectory(prefix="freezer-benchmark-", dir=folder) as name:
        result = Surroundings(Path(name))
        result.temporary.mkdir()
        result.cache.mkdir(mode=0o700)
        yield result
