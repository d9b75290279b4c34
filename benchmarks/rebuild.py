"""Measure what builds cost: the first one ever, the first with a toolchain, after a changed requirement or line, and
with nothing changed; beside PyInstaller, the recipe by hand, pex, shiv and Nuitka with an environment that exists.

    python benchmarks/rebuild.py [--rounds N] [--only NAME]... [--others] [SAMPLE ...]

All contestants take turns, in an order that is drawn anew in each round. freezer proves what it builds, the others do
not. Ratios are to ``pyinstaller --onefile`` with its own cache warm. ``--others`` installs pex, shiv and Nuitka, too;
one that took longer than five minutes, or fails, takes no further turns.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from contestants import SAMPLES, TOOLS, Sample
from measure import Failed, Run, run

CHECKOUT = Path(__file__).resolve().parents[1]
KINDS = ("wall", "processor")
"""What is compared of a run."""
OTHERS = ("pex", "shiv", "nuitka")
TOO_LONG = 300
"""Seconds after which a contestant of other kinds takes no further turns."""
UNCHANGED = "freezer, nothing changed"
NEEDED = ("freezer", "pyinstaller")
"""What the names of the contestants begin with without which nothing can be compared."""
KEPT_OF_SOURCES = ("analysis", "packed", "bundles", "record")
"""What freezer's cache keeps of an application besides its environment."""


@dataclass
class Bench:
    """One sample below a folder of its own: a copy of its script, the peers' environment, a cache of freezer's."""

    folder: Path
    sample: Sample
    others: bool = False
    changes: int = 0

    @property
    def script(self) -> Path:
        """The copy, which is changed."""
        return self.folder / "source" / self.sample.script.name

    @property
    def cache(self) -> Path:
        """What freezer keeps."""
        return self.folder / "cache" / "freezer"

    def prepare(self) -> None:
        """Make what all contestants need."""
        self.script.parent.mkdir(parents=True)
        shutil.copy(self.sample.script, self.script)
        (self.folder / "requirements.txt").write_text("\n".join(self.sample.requirements), encoding="utf-8")
        self._run(sys.executable, "-m", "venv", self.folder / "venv")
        tools = [*TOOLS, *(OTHERS if self.others else ()), *self.sample.requirements]
        self._run(self.folder / "venv/bin/python", "-m", "pip", "install", "--quiet", *tools)

    def contestants(self) -> dict[str, Callable[[], Run]]:
        """What is measured, by what the table calls it; the first is what the others are compared with."""
        peers = {"pex": self.pex, "shiv": self.shiv, "Nuitka --onefile": self.nuitka} if self.others else {}
        return {
            "pyinstaller --onefile": self.pyinstaller,
            "the recipe by hand": self.recipe,
            **peers,
            "freezer, a changed line": self.changed,
            UNCHANGED: self.freezer,
            "freezer, never built before": self.never_built,
            "freezer, a changed requirement": self.changed_requirement,
            "freezer, first with a toolchain": self.first,
            "freezer, first ever": self.first_ever,
        }

    def pyinstaller(self) -> Run:
        """PyInstaller as it is called by hand, with a changed line."""
        self._change()
        program = self.folder / "venv/bin/pyinstaller"
        options = ("--noconfirm", "--onefile", "--distpath", self.folder / "peer", *self.sample.hand)
        return self._run(program, *options, self.script)

    def recipe(self) -> Run:
        """PyInstaller, and staticx on what it has made."""
        first = self.pyinstaller()
        program = self.folder / "peer" / self.script.stem
        path = f"{self.folder}/venv/bin:{os.environ['PATH']}"
        second = self._run(self.folder / "venv/bin/staticx", program, f"{program}-static", variables={"PATH": path})
        return added(first, second)

    def pex(self) -> Run:
        """One archive of the requirements and the script, which needs a Python."""
        self._change()
        options = ("-r", self.folder / "requirements.txt", "--exe", self.script, "-o", self.folder / "app.pex")
        return self._run(self.folder / "venv/bin/pex", *options)

    def shiv(self) -> Run:
        """Likewise; the script is a package's module for it."""
        self._change()
        words = ("-r", self.folder / "requirements.txt", "-o", self.folder / "app.pyz")
        if not self.sample.requirements:
            words = ("--site-packages", self.script.parent, "-o", self.folder / "app.pyz")
        return self._run(self.folder / "venv/bin/shiv", *words)

    def nuitka(self) -> Run:
        """Everything is compiled."""
        self._change()
        options = ("--onefile", "--assume-yes-for-downloads", f"--output-dir={self.folder}/nuitka", self.script)
        return self._run(self.folder / "venv/bin/python", "-m", "nuitka", *options)

    def freezer(self) -> Run:
        """freezer, with whatever has changed since the last time."""
        wanted = [word for name in self.sample.requirements for word in ("--with", name)]
        return self._freezer(self.script, *wanted, "-o", self.folder / "app")

    def _freezer(self, script: Path, *words: str | Path) -> Run:
        command = [sys.executable, "-m", "freezer", "build", script, *words, "--linker", "native"]
        return self._run(*command, "--python", sys.executable, "--quiet")

    def changed(self) -> Run:
        """freezer, after a change of one line."""
        self._change()
        return self.freezer()

    def never_built(self) -> Run:
        """freezer, with its toolchain and the application's environment, but nothing kept of the application."""
        self._another()
        return self.changed()

    def changed_requirement(self) -> Run:
        """freezer, with an environment that has to be made anew."""
        return self._without("env")

    def first(self) -> Run:
        """freezer, with its toolchain alone, and what that has found in the standard library."""
        self._another()
        return self._without("env", "facts")

    def first_ever(self) -> Run:
        """freezer, with nothing at all, but for pip's cache."""
        return self._without("env", "facts", "toolchain", *KEPT_OF_SOURCES)

    def _without(self, *names: str) -> Run:
        self._forget(*names)
        return self.changed()

    def _forget(self, *names: str) -> None:
        for name in names:
            shutil.rmtree(self.cache / name, ignore_errors=True)

    def _another(self) -> None:
        """Have freezer know nothing of the application, but have built another one, which does nothing."""
        self._forget(*KEPT_OF_SOURCES)
        script = self.folder / "other" / "nothing.py"
        script.parent.mkdir(exist_ok=True)
        script.touch()
        self._freezer(script, "-o", self.folder / "other" / "nothing")
        self._forget(*(name for name in KEPT_OF_SOURCES if name != "analysis"))

    def _change(self) -> None:
        self.changes += 1
        text = self.sample.script.read_text(encoding="utf-8")
        self.script.write_text(f"{text}\nCHANGES = {self.changes}\n", encoding="utf-8")

    def _run(self, *command: str | Path, variables: Mapping[str, str] | None = None) -> Run:
        own = {"XDG_CACHE_HOME": f"{self.folder}/cache", "PYINSTALLER_CONFIG_DIR": f"{self.folder}/config"}
        own["PYTHONPATH"] = str(CHECKOUT) if "freezer" in command else ""
        place = Path.cwd()
        os.chdir(self.folder)
        try:
            return run([str(word) for word in command], {**os.environ, **own, **(variables or {})})
        finally:
            os.chdir(place)


def added(*runs: Run) -> Run:
    """One run that is several, one after the other."""
    wall, processor = (sum(getattr(item, kind) for item in runs) for kind in KINDS)
    return Run(wall, processor, max(item.memory for item in runs))


def measured(bench: Bench, rounds: int, only: Iterable[str]) -> dict[str, list[Run]]:
    """Return the runs of each contestant; the first one of each, which fills caches, is none of them."""
    bench.prepare()
    chosen = tuple(only)
    contestants = {
        name: act
        for number, (name, act) in enumerate(bench.contestants().items())
        if not number or not chosen or any(word in name for word in chosen)
    }
    for name, act in list(contestants.items()):
        print(f"{bench.sample.name}: {name}, to fill the caches", file=sys.stderr, flush=True)
        if name.startswith(NEEDED):
            act()
            continue
        try:
            reason = f"takes longer than {TOO_LONG} s" if act().wall > TOO_LONG else None
        except Failed as error:
            reason = f"fails: {error}"
        if reason is not None:
            print(f"{bench.sample.name}: {name} {reason}", file=sys.stderr, flush=True)
            del contestants[name]
    found: dict[str, list[Run]] = {name: [] for name in contestants}
    draw = random.Random(rounds)
    for _ in range(rounds):
        names = list(contestants)
        draw.shuffle(names)
        for name in names:
            if name.startswith("freezer, a changed") or name == UNCHANGED:
                bench.changed()
            found[name].append(contestants[name]())
    return found


def main() -> int:
    """Build, measure and print a table for each sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", metavar="SAMPLE", nargs="*", default=["hello", "click+rich"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", metavar="NAME", nargs="+", default=[], help="only contestants with this in their name"
    )
    parser.add_argument("--others", action="store_true", help="pex, shiv and Nuitka, too")
    arguments = parser.parse_args()
    for name in arguments.samples:
        with tempfile.TemporaryDirectory(prefix="freezer-rebuild-") as folder:
            try:
                bench = Bench(Path(folder), SAMPLES[name], arguments.others)
                runs = measured(bench, arguments.rounds, arguments.only)
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
