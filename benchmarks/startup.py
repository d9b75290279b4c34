"""Measure start-up, size and what else a program costs, of freezer's executables and their peers, side by side.

    python benchmarks/startup.py [--rounds N] [--python PATH] [--keep FOLDER] [--json FILE] [--only WORDS ... --]
        [SAMPLE ...]

The same script is built by PyInstaller (one directory, one file), by the hand-made recipe (``pyinstaller -F``, then
``staticx``, with and without compression) and by freezer with both of its linkers and each way to pack. SAMPLE is a
name (hello, click+rich, numpy+pandas; all of them by default) or a script.

All are run in turn, in another order each round, so that a drift of the machine's speed meets all of them alike, and
what the one has left to the file system does not always meet the same other one. What counts is the ratio to
``python3 SCRIPT``, in a virtual environment with the same requirements, of the same rounds: of the medians, and of the
minima, which tell what the program itself takes on a machine with other things to do. The *first start* is one with an
empty cache, for what unpacks once; for everything else each start is like the first. The page cache is warm always.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from contestants import SAMPLES, Program, Sample, Way, Workshop
from measure import Run, Sight, Surroundings, look, run, surroundings

HEADINGS = (
    "",
    "start, x python3",
    "of minima",
    "first start, x",
    "of minima",
    "size MB",
    "link s",
    "processes",
    "temporary MB",
    "memory MB",
)


@dataclass(frozen=True)
class Figures:
    """What was measured of one program; ``first`` is empty where a first start is like any other."""

    program: Program
    warm: list[Run]
    first: list[Run]
    sight: Sight


def measure(programs: list[Program], rounds: int, place: Surroundings) -> list[Figures]:
    """Run all programs ``rounds`` times. Raises Failed if one does not work."""
    warm: dict[Way, list[Run]] = {program.way: [] for program in programs}
    first: dict[Way, list[Run]] = {program.way: [] for program in programs}
    order = random.Random(rounds)
    starts = [(program, False) for program in programs]
    starts += [(program, True) for program in programs if program.way.unpacks_once]
    for program in programs:  # warms the page cache, and fills the cache of those that have one
        for _ in range(2):
            run(program.command, place.environment())
    for _ in range(rounds):
        order.shuffle(starts)
        for program, is_first in starts:
            if is_first:
                with place.fresh_cache() as env:
                    first[program.way].append(run(program.command, env))
            else:
                warm[program.way].append(run(program.command, place.environment()))
    return [
        Figures(
            program,
            warm[program.way],
            first[program.way],
            look(program.command, place.environment(), place.temporary, place.cache),
        )
        for program in programs
    ]


def walls(runs: list[Run]) -> list[float]:
    """The times from fork to exit, in seconds."""
    return [item.wall for item in runs]


def table(sample: Sample, figures: list[Figures]) -> str:
    """The figures in Markdown. The first are what the others' times are compared with."""
    base = walls(figures[0].warm)
    median, least = statistics.median(base), min(base)
    lines = [
        f"{sample.name}: python3 takes {median * 1000:.0f} ms (median), {least * 1000:.0f} ms (minimum)",
        "",
        f"| {' | '.join(HEADINGS)} |",
        "|" + "---|" * len(HEADINGS),
    ]
    for item in figures:
        program, times, begun = item.program, walls(item.warm), walls(item.first or item.warm)
        cells = [
            program.way.value,
            f"{statistics.median(times) / median:.2f}",
            f"{min(times) / least:.2f}",
            f"{statistics.median(begun) / median:.2f}",
            f"{min(begun) / least:.2f}",
            f"{program.size / 1e6:.1f}" if program.size else "",
            f"{program.link:.1f}" if program.link is not None else "",
            str(item.sight.processes),
            f"{item.sight.written / 1e6:.1f}",
            f"{statistics.median(run.memory for run in item.warm) / 1e6:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def sample_of(word: str) -> Sample:
    """The sample that an argument stands for."""
    if word in SAMPLES:
        return SAMPLES[word]
    script = Path(word).resolve()
    if not script.is_file():
        raise argparse.ArgumentTypeError(f"{word} is no script, and none of {', '.join(SAMPLES)}")
    return Sample(script.stem, script)


def main() -> None:
    """Build, measure, print a table for each sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", nargs="*", type=sample_of, default=list(SAMPLES.values()), metavar="SAMPLE")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--keep", type=Path, help="have the programs in this folder, and build only what is not there")
    parser.add_argument("--only", nargs="+", metavar="WORDS", help="no others than those with this in their name")
    parser.add_argument("--json", type=Path, help="write each single measurement to this file")
    options = parser.parse_args()
    wanted = [way for way in Way if way is Way.PYTHON or any(word in way.value for word in options.only or [""])]
    told = {}
    with tempfile.TemporaryDirectory(prefix="freezer-benchmark-") as name, surroundings() as place:
        for sample in options.samples:
            folder = (options.keep or Path(name)).resolve()
            programs = Workshop(folder, options.python, sample).build(tuple(wanted))
            figures = measure(programs, options.rounds, place)
            print(table(sample, figures), end="\n\n", flush=True)
            told[sample.name] = {
                item.program.way.value: {
                    "size": item.program.size,
                    "link": item.program.link,
                    "warm": [asdict(one) for one in item.warm],
                    "first": [asdict(one) for one in item.first],
                    "sight": asdict(item.sight),
                }
                for item in figures
            }
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
