"""Measure what a build costs that is not the first: after a change of one line, with nothing changed, and of an
application that was never built, beside PyInstaller with an environment that exists.

    python benchmarks/rebuild.py [--rounds N] [SAMPLE ...]

All contestants take turns, in an order that is drawn anew in each round. freezer proves what it builds, PyInstaller
does not. Ratios are to ``pyinstaller --onefile`` with its own cache warm.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contestants import SAMPLES, TOOLS, Sample
from measure import Failed, Run, run

CHECKOUT = Path(__file__).resolve().parents[1]
KINDS = ("wall", "processor")
"""What is compared of a run."""


@dataclass
class Bench:
    """One sample below a folder of its own: a copy of its script, PyInstaller's environment, a cache of freezer's."""

    folder: Path
    sample: Sample
    changes: int = 0

    @property
    def script(self) -> Path:
        """The copy, which is changed."""
        return self.folder / "source" / self.sample.script.name

    def prepare(self) -> None:
        """Make what all contestants need."""
        self.script.parent.mkdir(parents=True)
        shutil.copy(self.sample.script, self.script)
        self._run(sys.executable, "-m", "venv", self.folder / "venv")
        tools = [*TOOLS[:1], *self.sample.requirements]
        self._run(self.folder / "venv/bin/python", "-m", "pip", "install", "--quiet", *tools)

    def contestants(self) -> dict[str, Callable[[], Run]]:
        """What is measured, by what the table calls it; the first is what the others are compared with."""
        return {
            "pyinstaller --onefile": self.pyinstaller,
            "freezer, a changed line": self.changed,
            "freezer, nothing changed": self.freezer,
            "freezer, never built before": self.never_built,
        }

    def pyinstaller(self) -> Run:
        """PyInstaller as it is called by hand, with a changed line."""
        self._change()
        program = self.folder / "venv/bin/pyinstaller"
        return self._run(program, "--noconfirm", "--onefile", "--distpath", self.folder / "peer", self.script)

    def freezer(self) -> Run:
        """freezer, with whatever has changed since the last time."""
        wanted = [word for name in self.sample.requirements for word in ("--with", name)]
        command = [sys.executable, "-m", "freezer", "build", self.script, *wanted, "--linker", "native"]
        return self._run(*command, "--python", sys.executable, "-o", self.folder / "app", "--quiet")

    def changed(self) -> Run:
        """freezer, after a change of one line."""
        self._change()
        return self.freezer()

    def never_built(self) -> Run:
        """freezer, with its toolchain and the application's environment, but nothing kept of any source."""
        for kept in ("analysis", "packed"):
            shutil.rmtree(self.folder / "cache/freezer" / kept)
        self._change()
        return self.freezer()

    def _change(self) -> None:
        self.changes += 1
        text = self.sample.script.read_text(encoding="utf-8")
        self.script.write_text(f"{text}\nCHANGES = {self.changes}\n", encoding="utf-8")

    def _run(self, *command: str | Path) -> Run:
        variables = {"XDG_CACHE_HOME": f"{self.folder}/cache", "PYINSTALLER_CONFIG_DIR": f"{self.folder}/config"}
        place = Path.cwd()
        os.chdir(self.folder)
        try:
            return run([str(word) for word in command], {**os.environ, "PYTHONPATH": str(CHECKOUT), **variables})
        finally:
            os.chdir(place)


def measured(bench: Bench, rounds: int) -> dict[str, list[Run]]:
    """Return the runs of each contestant; the first one of each, which fills caches, is none of them."""
    bench.prepare()
    contestants = bench.contestants()
    for name, act in contestants.items():
        print(f"{bench.sample.name}: {name}, to fill the caches", file=sys.stderr, flush=True)
        act()
    found: dict[str, list[Run]] = {name: [] for name in contestants}
    draw = random.Random(rounds)
    for _ in range(rounds):
        names = list(contestants)
        draw.shuffle(names)
        for name in names:
            if name == "freezer, nothing changed":
                bench.freezer()
            found[name].append(contestants[name]())
    return found


def main() -> int:
    """Build, measure and print a table for each sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", metavar="SAMPLE", nargs="*", default=["hello", "click+rich"])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for name in arguments.samples:
        with tempfile.TemporaryDirectory(prefix="freezer-rebuild-") as folder:
            try:
                runs = measured(Bench(Path(folder), SAMPLES[name]), arguments.rounds)
            except Failed as error:
                raise SystemExit(f"{name}: {error}") from error
        print(f"\n{name}\n\n| | wall, x | CPU, x | wall s | CPU s | memory MB |\n|---|---|---|---|---|---|")
        first = next(iter(runs.values()))
        for contestant, all_runs in runs.items():
            wall, processor = (statistics.median(getattr(item, what) for item in all_runs) for what in KINDS)
            base_wall, base_processor = (statistics.median(getattr(item, what) for item in first) for what in KINDS)
            memory = max(item.memory for item in all_runs) / 1e6
            row = [contestant, f"{wall / base_wall:.2f}", f"{processor / base_processor:.2f}"]
            print(f"| {' | '.join([*row, f'{wall:.2f}', f'{processor:.2f}', f'{memory:.0f}'])} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
