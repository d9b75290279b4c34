"""Start one program a thousand times at once, with nothing unpacked yet, and see what comes of it.

    python benchmarks/concurrent_starts.py [--count N] [--small-count N] [--python PATH] [--keep FOLDER]

All processes are forked before the first of them may go on, so that they meet in the empty cache; each has nothing of
this one's memory but what fork shares, and becomes the program at once. (``python3 SCRIPT`` as often is there to
compare with: so many Pythons take their memory, however they were started.) Each must print what most of them do, and
end with 0. That one of them has unpacked for all shows in the cache: there is one entry, its tree is one inode all the
time, and no file in it has changed after the manifest, which is written last.

Then fewer of them start with 100 MB for temporary files and caches altogether, as root (it mounts a file system of
that size in a mount namespace of its own); and the recipe by hand and PyInstaller's one-file program with them, for
comparison. Prints tables; the exit status is 1 if a start of freezer's program failed, or it was unpacked twice.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contestants import SAMPLES, Program, Way, Workshop
from measure import Surroundings, surroundings

SMALL = 100 * 10**6
"""Bytes of the small file system."""
POLL = 0.01
PEERS = (Way.NATIVE_FAST, Way.ONE_FILE, Way.RECIPE, Way.RECIPE_PLAIN)
MOUNTPOINT = Path("/mnt")
NOT_EXECUTED = 127


@dataclass(frozen=True)
class Crowd:
    """What came of many starts. ``memory`` is the most that the system lacked meanwhile of what it had available
    before, in bytes: processes share much, and /proc tells of each alone; ``disk`` is the same for temporary files."""

    count: int
    failures: tuple[str, ...]
    wall: float
    memory: int
    disk: int
    entries: int
    trees: int
    changed: int

    @property
    def good(self) -> bool:
        """Whether all started, and one unpacked."""
        return not self.failures and self.entries == 1 and self.trees == 1 and self.changed == 0


def start_all(command: Sequence[str], env: Mapping[str, str], count: int, place: Surroundings) -> Crowd:
    """Start a program ``count`` times at once. What each prints goes to a file of its own."""
    outputs = place.home / "outputs"
    outputs.mkdir()
    gate, barrier = os.pipe()
    before, disk = available_memory(), free_bytes(place.home)
    children = {_fork(command, env, outputs / str(number), gate, barrier): number for number in range(count)}
    os.close(gate)
    ready = before - available_memory()
    started = time.perf_counter()
    os.close(barrier)  # the processes read its end
    statuses: dict[int, int] = {}
    most, used, trees = max(ready, 0), 0, set()
    while len(statuses) < count:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                statuses[children[ended[0]]] = os.waitstatus_to_exitcode(ended[1])
        wall = time.perf_counter() - started
        most = max(most, before - available_memory())
        used = max(used, disk - free_bytes(place.home))
        trees |= {item.stat().st_ino for item in place.cache.glob("*/tree")}
        time.sleep(POLL)
    texts = {number: (outputs / str(number)).read_text(errors="replace") for number in range(count)}
    expected = most_common(texts)
    failures = tuple(
        f"status {statuses[number]}: {text[-200:]!r}"
        for number, text in texts.items()
        if statuses[number] or text != expected
    )
    entries = [item for item in place.cache.iterdir() if item.is_dir()]
    return Crowd(count, failures, wall, most, used, len(entries), len(trees), sum(map(changed_after, entries)))


def _fork(command: Sequence[str], env: Mapping[str, str], output: Path, gate: int, barrier: int) -> int:
    process = os.fork()
    if process:
        return process
    try:
        os.close(barrier)
        os.setpgid(0, 0)
        file = os.open(output, os.O_WRONLY | os.O_CREAT, 0o600)
        os.read(gate, 1)
        for number in (1, 2):
            os.dup2(file, number)
        os.execve(command[0], list(command), env)
    finally:
        os._exit(NOT_EXECUTED)


def most_common(texts: Mapping[int, str]) -> str:
    """What most of the processes printed."""
    found = list(texts.values())
    return max(set(found), key=found.count)


def changed_after(entry: Path) -> int:
    """How many files of an entry have changed since its manifest was written."""
    written = (entry / "manifest").stat().st_ctime_ns
    return sum(item.lstat().st_ctime_ns > written for item in (entry / "tree").rglob("*"))


def available_memory() -> int:
    """Bytes that the system has for new processes (proc(5))."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def free_bytes(folder: Path) -> int:
    """Bytes that can be written there."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def main() -> int:
    """Build, start, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--small-count", type=int, default=50)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--keep", type=Path, help="have the programs in this folder, and build only what is not there")
    parser.add_argument("--in-small", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    workshop = Workshop(options.keep.resolve() if options.keep else Path(), options.python, SAMPLES["hello"])
    if options.in_small:
        return in_small(workshop.build(PEERS), options.small_count)
    with tempfile.TemporaryDirectory(prefix="freezer-benchmark-") as name:
        if not options.keep:
            workshop.folder = Path(name)
        program, python = workshop.build((*PEERS, Way.PYTHON))[:: len(PEERS)]
        with surroundings() as place:
            crowd = start_all(program.command, place.environment(), options.count, place)
        with surroundings() as place:
            other = start_all(python.command, place.environment(), options.count, place)
        crowds = [(program, crowd), (python, other)]
        print(f"{options.count} starts at once, with an empty cache:\n\n{table(crowds)}\n", flush=True)
        if os.geteuid() != 0:
            print("the starts with 100 MB need root, and are left out", file=sys.stderr)
            return not crowd.good
        again = [sys.executable, __file__, "--in-small", f"--small-count={options.small_count}"]
        again += [f"--keep={workshop.folder}", f"--python={options.python}"]
        small = subprocess.run(["unshare", "--mount", "--propagation=private", *again], check=False)
        return not crowd.good or small.returncode


def in_small(programs: list[Program], count: int) -> int:
    """The same where a small file system is all that can be written to; in a mount namespace that is left with it."""
    for other in ("/tmp", "/var/tmp", "/dev/shm"):
        subprocess.run(["mount", "--bind", other, other], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", other], check=True)
    crowds = []
    for program in programs:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", MOUNTPOINT], check=True)
        with surroundings(MOUNTPOINT) as place:
            crowds.append((program, start_all(program.command, place.environment(), count, place)))
        subprocess.run(["umount", "--lazy", MOUNTPOINT], check=True)
    print(f"{count} starts at once, with {SMALL / 1e6:.0f} MB for temporary files and the cache:\n\n{table(crowds)}")
    return not crowds[0][1].good


def table(crowds: list[tuple[Program, Crowd]]) -> str:
    """The figures in Markdown; what failed is told below it."""
    lines = [
        "| | starts | failed | unpacked | s | memory MB | temporary MB |",
        "|---|---|---|---|---|---|---|",
    ]
    told = set()
    for program, crowd in crowds:
        entries = ""
        if program.way.unpacks_once:
            entries = str(max(crowd.entries, crowd.trees) + crowd.changed)
        lines.append(
            f"| {program.way.value} | {crowd.count} | {len(crowd.failures)} | {entries} | {crowd.wall:.1f} "
            f"| {crowd.memory / 1e6:.0f} | {crowd.disk / 1e6:.0f} |"
        )
        told |= {f"{program.way.value}: {item}" for item in crowd.failures[:3]}
    return "\n".join(lines + sorted(told))


if __name__ == "__main__":
    sys.exit(main())
