"""What the notes of ``freezer learn`` cost: programs with them and without, in turns, in one run.

    python benchmarks/learning.py [--rounds N]

Prints the least processor time of each program without the notes, with them, and the ratio; other work on the machine
lengthens all other times. The goal is less than 1.3.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from freezer.learn.command import PROGRAMS
from freezer.learn.drivers import DRIVERS
from freezer.learn.opens import Opens

IMPORTS = """
import argparse, asyncio, concurrent.futures, csv, ctypes, dataclasses, decimal, email.mime.text, fractions, html.parser
import http.client, http.server, inspect, json, logging.config, multiprocessing, pathlib, pickle, sqlite3, ssl
import statistics, subprocess, tarfile, tempfile, unittest.mock, urllib.request, uuid, xml.etree.ElementTree, zipfile
"""
WORKLOADS = {
    "starts and ends": "pass",
    "imports 30 packages": IMPORTS,
    "imports, then works": IMPORTS + "sorted(json.loads(json.dumps(list(range(400000)))), key=lambda n: -n)",
    "reads 2000 files": (
        "import os, sys\nfor n in range(2000):\n"
        "    with open(os.path.join(sys.argv[1], f'{n % 50}.txt')) as file: file.read()\n"
    ),
    "lists 500 directories": "import os, sys\nfor n in range(500): list(os.walk(sys.argv[1]))",
    "reads variables": "import os\nfor n in range(100000): os.environ.get('HOME')",
}


def _processor() -> float:
    """The processor time of this process and all that have ended, in seconds: freezer itself reads what the kernel
    tells of opened files."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def main() -> None:
    """Run all programs, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, metavar="N")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        data.mkdir()
        for number in range(50):
            (data / f"{number}.txt").write_text("x" * 2000)
        hook, notes = Path(folder, "hook"), Path(folder, "notes")
        hook.mkdir()
        for name in PROGRAMS:
            shutil.copy(DRIVERS / name, hook / name)
        plain = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        print(f"{'':24} {'plain':>9} {'noting':>9} {'ratio':>6}")
        for title, code in WORKLOADS.items():
            times: dict[bool, list[float]] = {False: [], True: []}
            for number in range(rounds + 1):
                for noting in (False, True):
                    notes.mkdir()
                    (notes / "roots").write_text(f"{data}/")
                    script = data / "script.py"
                    script.write_text(code)
                    env = {**plain, "PYTHONPATH": str(hook)} if noting else plain
                    begun = _processor()
                    opens = Opens([data]) if noting else None
                    subprocess.run([sys.executable, script, data], env=env, check=True)
                    if opens is not None:
                        opens.stop()
                    if number:
                        times[noting].append(_processor() - begun)
                    shutil.rmtree(notes)
            before, after = (min(times[noting]) for noting in (False, True))
            print(f"{title:24} {before * 1000:6.1f} ms {after * 1000:6.1f} ms {after / before:6.2f}")


if __name__ == "__main__":
    main()
