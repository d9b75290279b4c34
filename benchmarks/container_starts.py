"""Measure starts as in containers: as process 1, and from memory where no directory allows execution.

    python benchmarks/container_starts.py [--rounds N] [--keep FOLDER]

Needs root, for mounts and PID namespaces. Starts that are compared are interleaved. The first start from memory
unpacks; a further one finds the same application running. Of unpacked images there are several copies, as where the
kernel has put a file makes more of a difference than an init. Prints a table in milliseconds, and the memory of the
processes that stay beside the application.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

HELLO = Path(__file__).resolve().parents[1] / "tests" / "samples" / "hello" / "hello.py"
WAITS = "import sys, time\nprint('ready', flush=True)\ntime.sleep(float(sys.argv[1]))\n"
PLACES = ("/tmp", "/var/tmp", "/dev/shm")
NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
PROGRAMS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
COPIES = 8
"""Of an unpacked image's root."""
NAMES = {"freezer-init": "the init", "freezer-memory": "the process that keeps the files in memory"}
"""Processes of freezer's, by their names in /proc."""


def build(script: Path, output: Path, *options: str) -> Path:
    """Link a script natively, unless that was done."""
    if not output.exists():
        words = [sys.executable, "-m", "freezer", "build", script, "-o", output, "--linker", "native", "-q", *options]
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    return output


def unpacked(root: Path, *options: str) -> Path:
    """Build an unpacked image, and make its root, unless that was done."""
    if not root.exists():
        image = root.with_suffix(".tar")
        build(HELLO, root.with_suffix(".bin"), "--image", str(image), "--image-layout", "unpacked", *options)
        with tarfile.open(image) as archive:
            for layer in json.load(archive.extractfile("manifest.json"))[0]["Layers"]:  # type: ignore[arg-type]
                with tarfile.open(fileobj=io.BytesIO(archive.extractfile(layer).read())) as files:  # type: ignore[union-attr]
                    files.extraction_filter = staticmethod(lambda member, _path: member)
                    files.extractall(root)
        (root / "app" / "it").symlink_to("program")
    return root


def from_images(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of starts in roots of unpacked images, of all copies together."""
    kinds = {"with an init": folder / "root", "--no-init": folder / "root-no-init"}
    found: dict[str, list[float]] = {f"of an unpacked image, as process 1, {kind}": [] for kind in kinds}
    copies = []
    for number in range(COPIES):
        for name, root in random.sample(list(zip(found, kinds.values())), len(kinds)):
            copies.append((name, Path("/mnt") / f"{root.name}-{number}"))
            shutil.copytree(root, copies[-1][1], symlinks=True)
    for _ in range(rounds):
        for name, place in random.sample(copies, len(copies)):
            found[name].append(took(["unshare", "--pid", "--fork", "chroot", place, "/app/it"], PROGRAMS))
    return found


def took(words: Sequence[str | Path], env: dict[str, str]) -> float:
    """Return the seconds that a program takes."""
    begin = time.perf_counter()
    subprocess.run(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


@contextlib.contextmanager
def running(words: Sequence[str | Path], env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program that waits, and end it."""
    with subprocess.Popen([*words, "600"], env=env, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def beside() -> dict[str, tuple[int, int]]:
    """Return the resident memory of freezer's processes, and what of it is their own, in kilobytes."""
    found = {}
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            name = comm.read_text().strip()
            if name in NAMES:
                lines = dict(line.split(":", 1) for line in comm.with_name("smaps_rollup").read_text().splitlines()[1:])
                found[name] = (int(lines["Rss"].split()[0]), int(lines["Private_Dirty"].split()[0]))
    return found


def inside(folder: Path, rounds: int) -> None:
    """Measure, in a mount namespace that is left with this process."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/mnt"], check=True)
    programs = Path("/mnt/programs")  # they may be below one of the places
    programs.mkdir()
    subprocess.run(["mount", "--bind", folder, programs], check=True)
    for place in PLACES:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777,noexec", "tmpfs", place], check=True)
    with_init, without, waits = programs / "hello", programs / "hello-no-init", programs / "waits"
    disk, memory = {"FREEZER_CACHE": "/mnt/cache"}, {"HOME": "/nonexistent"}
    found: dict[str, list[float]] = {}
    memories: dict[str, tuple[int, int]] = {}
    for program in (with_init, without):
        took([program], disk)
    for _ in range(rounds):
        found.setdefault("from disk", []).append(took([with_init], disk))
        found.setdefault("from disk, as process 1 with an init", []).append(took([*NAMESPACE, with_init], disk))
        found.setdefault("from disk, as process 1, --no-init", []).append(took([*NAMESPACE, without], disk))
        with running([waits], memory):
            found.setdefault("from memory", []).append(took([waits, "0"], memory))
            memories.update(beside())
        while "freezer-memory" in beside():
            time.sleep(0.01)
        found.setdefault("from memory, the first start", []).append(took([with_init], memory))
        while "freezer-memory" in beside():
            time.sleep(0.01)
    found.update(from_images(programs, rounds))
    found["from disk, the same application"] = [took([waits, "0"], disk) for _ in range(rounds + 1)][1:]
    with running([*NAMESPACE, waits], disk):
        memories.update(beside())
    print("| start of hello | minimum, ms | median, ms |\n|---|---|---|")
    for name, times in found.items():
        print(f"| {name} | {min(times) * 1000:.1f} | {statistics.median(times) * 1000:.1f} |")
    for name, (resident, own) in memories.items():
        print(f"\n{NAMES[name]}: {resident} kB resident, {own} kB of it its own")


def main() -> int:
    """Build, enter a namespace, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="have the programs in this folder, and build only what is not there")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.inside, options.rounds)
        return 0
    with tempfile.TemporaryDirectory(prefix="freezer-benchmark-", dir=Path.home()) as name:
        folder = options.keep.resolve() if options.keep else Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "waits.py").write_text(WAITS)
        build(HELLO, folder / "hello")
        build(HELLO, folder / "hello-no-init", "--no-init")
        unpacked(folder / "root")
        unpacked(folder / "root-no-init", "--no-init")
        build(folder / "waits.py", folder / "waits", "--no-verify")
        again = [sys.executable, __file__, "--inside", folder, f"--rounds={options.rounds}"]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(["unshare", "--mount", *again], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
