"""Build samples with two commits of freezer, and tell whether the results are the same bytes.

    python benchmarks/same_bytes.py BEFORE [AFTER] [--sample NAME ...]

BEFORE and AFTER are commits of this repository; AFTER is the one checked out, if it is not given. The samples of BEFORE
are built by both: natively linked, by staticx, and as an image of the application's files. The status is 1 if any two
results differ. That is what a change that should change nothing is compared with; both need the same dependencies as
the Python that runs this, and the toolchain in its environment.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

from commits import build, install

SAMPLES = {"hello": "hello.py", "cli": "."}
"""What is built of a sample's directory."""
WAYS = {
    "native": ("--linker", "native"),
    "staticx": ("--linker", "staticx"),
    "unpacked image": ("--linker", "native", "--image", "image.tar", "--image-layout", "unpacked"),
}


def main() -> int:
    """Compare the commits; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", metavar="BEFORE")
    parser.add_argument("after", metavar="AFTER", nargs="?", default="HEAD")
    parser.add_argument("--sample", action="append", choices=SAMPLES, metavar="NAME")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        commits = [arguments.before, arguments.after]
        installed = [install(commit, top / str(number)) for number, commit in enumerate(commits)]
        differing = 0
        for sample in arguments.sample or SAMPLES:
            source = top / "0" / "clone" / "tests" / "samples" / sample
            for title, options in WAYS.items():
                results = [digests(freezer, source, SAMPLES[sample], options, top) for freezer in installed]
                same = results[0] == results[1]
                differing += not same
                print(f"{sample}, {title}: {'the same bytes' if same else 'DIFFERENT'}", *results[same:], flush=True)
    return 1 if differing else 0


def digests(freezer: Path, source: Path, entry: str, options: tuple[str, ...], top: Path) -> str:
    """Build a sample anew, and return the beginnings of its results' SHA-256."""
    with tempfile.TemporaryDirectory(dir=top) as name:
        made = build(freezer, source, entry, options, Path(name))
        return " ".join(hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in made)


if __name__ == "__main__":
    sys.exit(main())
