"""Where the time of a natively linked executable's start goes.

    python benchmarks/start_profile.py [--rounds N] [--python PATH] [--keep FOLDER]

The hello of the samples is run by a script that notes the clock before its imports, after them, and after its work;
this program knows when it has started it and when it ended. What comes before the script is told apart by variants of
the unpacked tree: one is started without the launcher; in one the library that the interpreter loads first notes the
clock and ends, when the dynamic loader has done its work; one runs nothing but a line that does so, when the
interpreter is ready. All of them, and ``python3`` with the same script, are run in turn. No tracer slows anything down.

Prints a table of the medians, and of what each phase is of the whole; and of the minima, which are what a machine
without anything else to do would show. A C compiler is needed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from contestants import TEST_SAMPLES, Sample, Way, Workshop
from measure import Failed, Surroundings, run, spawn, surroundings

SCRIPT = """\
import time

MARKS = [time.monotonic()]
import hello

MARKS.append(time.monotonic())
hello.main()
MARKS.append(time.monotonic())
__import__("posix").write(2, " ".join(map(str, MARKS)).encode())
"""
AT_LOADED = """\
extern int clock_gettime(int, long *);
extern int dprintf(int, const char *, ...);
extern void _exit(int);
int __libc_start_main(void)
{
    long now[2];
    clock_gettime(1, now);
    dprintf(2, "%ld.%09ld", now[0], now[1]);
    _exit(0);
}
"""
AT_READY = b'p = __import__("posix"); p.write(2, str(__import__("time").monotonic()).encode()); p._exit(0)'
LINE = b"-c\0"
"""What comes before the line of Python that starts the application, in the library's list of arguments."""


def make_variants(executable: Path, place: Surroundings) -> dict[str, list[str]]:
    """Unpack the executable three times, and change two of the trees; the command of each variant."""
    commands = {"whole": [str(executable)]}
    for variant in ("direct", "loaded", "ready"):
        cache = place.home / variant
        cache.mkdir(mode=0o700)
        run([str(executable)], place.environment(cache))
        (tree,) = cache.glob("*/tree")
        commands[variant] = [str(tree / "program")]
        library = tree / "start.so"
        if variant == "loaded":
            library.unlink()
            source = place.home / "loaded.c"
            source.write_text(AT_LOADED)
            subprocess.run(["cc", "-shared", "-fPIC", "-nostdlib", "-O1", "-o", library, source], check=True)
        elif variant == "ready":
            library.chmod(0o755)
            library.write_bytes(with_line(library.read_bytes(), AT_READY))
    return commands


def with_line(data: bytes, line: bytes) -> bytes:
    """The library with another line for Python to run; its room is filled with NULs."""
    at = data.index(LINE + b"import _freezer_native") + len(LINE)
    end = data.index(b"\0", at)
    rest = max(0, end - at - len(line))
    if data[end : at + len(line)].strip(b"\0"):
        raise Failed("there is no room for another line")
    return data[:at] + line + bytes(rest) + data[at + len(line) + rest :]


def marks_of(command: Sequence[str], env: Mapping[str, str]) -> list[float]:
    """Run something to its end; what it noted of the clock and when it ended, in seconds since its start."""
    out, into = os.pipe()
    with open(os.devnull, "wb") as nowhere, open(out, "rb") as told:
        started = time.monotonic()
        process = spawn(command, env, nowhere.fileno(), into)
        _, status = os.waitpid(process, 0)
        ended = time.monotonic()
        os.close(into)
        text = told.read()
    if status:
        raise Failed(f"{' '.join(command)}: {text.decode(errors='replace')}")
    return [mark - started for mark in (*map(float, text.split()), ended)]


def phases(
    marks: Mapping[str, list[list[float]]], typical: Callable[[Iterable[float]], float]
) -> list[tuple[str, float, float | None]]:
    """Each phase: what it is, how long it takes from the launcher on, and how long in python3, if there is such a
    thing; in seconds. ``typical`` makes one figure of those of all rounds."""

    def at(variant: str, mark: int) -> float:
        return typical(found[mark] for found in marks[variant])

    def step(variant: str, mark: int) -> float:
        return typical(found[mark] - found[mark - 1] for found in marks[variant])

    before = [
        ("launcher: find the entry, see that it is whole, and exec", at("whole", 0) - at("direct", 0)),
        ("kernel and dynamic loader: fork, exec, load and relocate", at("loaded", 0)),
        ("interpreter: its own start, with the codecs", at("ready", 0) - at("loaded", 0)),
        ("freezer's start of the application", at("direct", 0) - at("ready", 0)),
    ]
    during = [
        (what, step("whole", mark), step("python3", mark))
        for mark, what in enumerate(("the application's imports", "its work", "end: interpreter and process"), 1)
    ]
    return [
        *((what, seconds, None) for what, seconds in before),
        ("together, until the script's first line", at("whole", 0), at("python3", 0)),
        *during,
        ("the whole", at("whole", 3), at("python3", 3)),
    ]


def table(marks: Mapping[str, list[list[float]]]) -> str:
    """The phases in Markdown; the last is the whole."""

    def milliseconds(seconds: float | None) -> str:
        return "" if seconds is None else f"{seconds * 1000:.1f}"

    medians, minima = phases(marks, statistics.median), phases(marks, min)
    whole = medians[-1][1]
    lines = ["| phase | ms | share | python3 | least ms | python3 |", "|---|---|---|---|---|---|"]
    for (what, median, beside), (_, least, least_beside) in zip(medians, minima):
        cells = [what, milliseconds(median), f"{median / whole * 100:.0f} %", milliseconds(beside)]
        lines.append(f"| {' | '.join([*cells, milliseconds(least), milliseconds(least_beside)])} |")
    return "\n".join(lines)


def main() -> None:
    """Build, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--keep", type=Path, help="have the program in this folder, and build only what is not there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="freezer-benchmark-") as name, surroundings() as place:
        folder = (options.keep or Path(name)).resolve()
        script = folder / "marked.py"
        folder.mkdir(exist_ok=True)
        shutil.copy(TEST_SAMPLES / "hello" / "hello.py", folder)
        script.write_text(SCRIPT)
        workshop = Workshop(folder, options.python, Sample("profile", script))
        python, native = workshop.build((Way.PYTHON, Way.NATIVE_FAST))
        commands = make_variants(Path(native.command[0]), place)
        commands["python3"] = list(python.command)
        marks: dict[str, list[list[float]]] = {variant: [] for variant in commands}
        order = list(commands)
        for turn in range(options.rounds + 2):
            random.Random(turn).shuffle(order)
            for variant in order:
                found = marks_of(commands[variant], place.environment())
                if turn > 1:  # the first fill the cache, and have the executable known
                    marks[variant].append(found)
        print(table(marks))


if __name__ == "__main__":
    main()
