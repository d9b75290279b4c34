"""Build the same applications with two commits of freezer, and compare their start-up and size in one interleaved run.

    python benchmarks/two_commits.py BEFORE [AFTER] [--rounds N] [--application NAME ...] [--linker NAME ...]

BEFORE and AFTER are commits of this repository; AFTER is the one checked out, if it is not given. Each application is
an import or two.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from pathlib import Path

from commits import build, install
from measure import Surroundings, run, surroundings

APPLICATIONS = {
    "hello": ("print('hello')\n", ()),
    "requests": ("import requests\nprint(requests.__version__)\n", ("--with", "requests")),
    "pool": ("import concurrent.futures, multiprocessing\nprint('pool')\n", ()),
}
"""Scripts, and options to build them."""
LINKERS = ("native", "staticx")


def main() -> int:
    """Build, measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", metavar="BEFORE")
    parser.add_argument("after", metavar="AFTER", nargs="?", default="HEAD")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--application", action="append", choices=APPLICATIONS, metavar="NAME")
    parser.add_argument("--linker", action="append", choices=LINKERS, metavar="NAME")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, surroundings() as place:
        top = Path(name)
        commits = (arguments.before, arguments.after)
        installed = [install(commit, top / str(number)) for number, commit in enumerate(commits)]
        print("| application | linker | start, after / before (medians) | of minima | MB before | MB after |")
        print("|---|---|---|---|---|---|")
        for application in arguments.application or APPLICATIONS:
            for linker in arguments.linker or LINKERS:
                programs = [made(freezer, application, linker, top) for freezer in installed]
                before, after = times(programs, arguments.rounds, place)
                sizes = [f"{path.stat().st_size / 1e6:.2f}" for path in programs]
                ratio = statistics.median(after) / statistics.median(before)
                row = [application, linker, f"{ratio:.3f}", f"{min(after) / min(before):.3f}", *sizes]
                print(f"| {' | '.join(row)} |", flush=True)
    return 0


def made(freezer: Path, application: str, linker: str, top: Path) -> Path:
    """Return the executable of an application."""
    place = Path(tempfile.mkdtemp(dir=top))
    text, options = APPLICATIONS[application]
    source = place / "source"
    source.mkdir()
    (source / "app.py").write_text(text)
    return build(freezer, source, "app.py", ("--linker", linker, *options), place)[0]


def times(programs: list[Path], rounds: int, place: Surroundings) -> list[list[float]]:
    """Return the wall times of each program's starts in seconds, in an order that is drawn anew in each round."""
    found: list[list[float]] = [[] for _ in programs]
    order = list(range(len(programs)))
    draw = random.Random(rounds)
    for round_ in range(-2, rounds):  # the first two fill caches
        draw.shuffle(order)
        for number in order:
            wall = run([str(programs[number])], place.environment()).wall
            if round_ >= 0:
                found[number].append(wall)
    return found


if __name__ == "__main__":
    sys.exit(main())
