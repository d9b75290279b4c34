"""Measure starts by memory snapshots: beside plain starts of the same executable, and plain Python.

    python benchmarks/snapshot_starts.py [--rounds N] [--keep FOLDER] [SAMPLE ...]

Each sample is built twice: as it is, and so that it leaves early; if it imports modules late, twice more, with these in
its snapshots. All starts are interleaved; the ratio is that of the
medians of wall time and of processor time to ``python3 SCRIPT`` in an environment with the same requirements. *Making*
is a plain start that has a snapshot made meanwhile, beside one that has none made: what the first user pays.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contestants import SAMPLES, Sample, Way, Workshop

PATIENCE = 60
"""Seconds until a snapshot must be there."""


@dataclass
class Contestant:
    """A way to start, and what its starts have taken: wall time and processor time, in seconds."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Start it once. Raises SystemExit if it fails."""
        start = time.perf_counter()
        process = subprocess.Popen(
            self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.wall.append(time.perf_counter() - start)
        self.processor.append(usage.ru_utime + usage.ru_stime)
        if process.returncode != 0:
            raise SystemExit(f"{self.name} ended with {process.returncode}")

    def line(self, base: Contestant) -> str:
        """Return its line of the table."""
        wall, processor = statistics.median(self.wall), statistics.median(self.processor)
        ratios = wall / statistics.median(base.wall), processor / statistics.median(base.processor)
        return f"| {self.name} | {1000 * wall:.1f} ms | {ratios[0]:.3f} | {ratios[1]:.3f} |"


def build(sample: Sample, folder: Path, leave: str, late: Sequence[str] = ()) -> Path:
    """Build an executable that may be started by snapshots, unless it is there."""
    path = folder / f"{sample.name.replace('+', '-')}-{'whole' if leave == 'plain' else leave}{'-late' if late else ''}"
    if not path.exists():
        project = folder / f"{path.name}-project"
        project.mkdir(exist_ok=True)
        script = project / sample.script.name
        script.write_bytes(sample.script.read_bytes())
        (project / "pyproject.toml").write_text(f"[tool.freezer.snapshot]\nimports = {json.dumps(late)}\n")
        wanted = [word for requirement in sample.requirements for word in ("--with", requirement)]
        command = [sys.executable, "-m", "freezer", "build", script, "-o", path, "--linker", "native", "-q"]
        start = ["--start", "snapshot", "--leave", leave, "--verify", "require"]
        subprocess.run([*map(str, command), *wanted, *start], check=True)
    return path


def have_snapshot(contestant: Contestant) -> None:
    """Start it until it is started by a snapshot that is not on trial any more."""
    end = time.monotonic() + PATIENCE
    restored = 0
    while restored < 3:
        done = subprocess.run(
            contestant.command,
            env={**contestant.environment, "FREEZER_DEBUG": "start"},
            capture_output=True,
            check=True,
        )
        restored += b"started by a snapshot" in done.stderr
        if time.monotonic() > end:
            raise SystemExit(f"{contestant.name}: {done.stderr.decode()}")
        time.sleep(0.05)


def measure(sample: Sample, folder: Path, rounds: int) -> list[Contestant]:
    """Build and run all; the first is plain Python."""
    cache = folder / "cache"
    given = {"HOME": str(folder), "PATH": os.environ["PATH"], "FREEZER_CACHE": str(cache)}
    plainly = {**given, "FREEZER_START": "plain"}
    workshop = Workshop(folder, sys.executable, sample)
    (python,) = workshop.build((Way.PYTHON,))
    whole = str(build(sample, folder, "plain"))
    words = list(sample.arguments)
    making = Contestant("plain start that has a snapshot made", [whole, *words], given)
    restored = []
    for late in ((), sample.late) if sample.late else ((),):
        for leave, said in (("plain", ""), ("early", ", leaving early")):
            name = f"restored{said}{', with ' if late else ''}{' and '.join(late)}"
            restored.append(Contestant(name, [str(build(sample, folder, leave, late)), *words], given))
    others = [Contestant("python3", list(python.command), given), Contestant("plain start", [whole, *words], plainly)]
    subprocess.run(making.command, env=plainly, stdout=subprocess.DEVNULL, check=True)
    for number in range(rounds):
        others[1].run()
        # Another key each time, so that there is no snapshot yet: this variable is in all keys, and means nothing here.
        making.environment = {**given, "NLSPATH": f"/nowhere/{number}"}
        making.run()
        time.sleep(1)
    for contestant in restored:
        have_snapshot(contestant)
    for _ in range(rounds):
        for contestant in (*others, *restored):
            contestant.run()
    return [*others, making, *restored]


def main(arguments: Sequence[str]) -> None:
    """Measure the samples that are named, all by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # Not by ``choices``: argparse looks for a list by default among these as if it were one of them.
    parser.add_argument("samples", nargs="*", metavar="SAMPLE", help=f"of {', '.join(SAMPLES)}; all by default")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="build there once, and measure often")
    options = parser.parse_args(arguments)
    for unknown in set(options.samples) - set(SAMPLES):
        parser.error(f"there is no sample {unknown!r}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.samples or SAMPLES:
            found = measure(SAMPLES[name], folder, options.rounds)
            print(f"\n{name}\n\n|  | start | x python3 | processor, x python3 |\n|---|---|---|---|")
            print("\n".join(contestant.line(found[0]) for contestant in found))


if __name__ == "__main__":
    main(sys.argv[1:])
