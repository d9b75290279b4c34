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
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
SAMPLES = {"hello": "hello.py", "cli": "."}
"""What is built of a sample's directory."""
WAYS = {
    "native": ("--linker", "native"),
    "staticx": ("--linker", "staticx"),
    "unpacked image": ("--linker", "native", "--image", "image.tar", "--image-layout", "unpacked"),
}
EPOCH = "1600000000"


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
                results = [build(freezer, source, SAMPLES[sample], options, top) for freezer in installed]
                same = results[0] == results[1]
                differing += not same
                print(f"{sample}, {title}: {'the same bytes' if same else 'DIFFERENT'}", *results[same:], flush=True)
    return 1 if differing else 0


def install(commit: str, folder: Path) -> Path:
    """Install a commit, with the programs that it compiles, and return the directory to import it from."""
    clone, target = folder / "clone", folder / "installed"
    run("git", "clone", "--quiet", CHECKOUT, clone)
    run("git", "-C", clone, "checkout", "--quiet", run("git", "-C", CHECKOUT, "rev-parse", commit).strip())
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, clone)
    return target


def build(freezer: Path, source: Path, entry: str, options: tuple[str, ...], top: Path) -> str:
    """Build a sample anew, and return the beginnings of its results' SHA-256."""
    with tempfile.TemporaryDirectory(dir=top) as name:
        place = Path(name) / "sample"
        run("cp", "-R", source, place)
        command = [sys.executable, "-m", "freezer", "build", entry, "-o", "../app", "--no-verify", "--quiet"]
        command += [word.replace("image.tar", "../image.tar") for word in options]
        variables = {"PYTHONPATH": str(freezer), "XDG_CACHE_HOME": f"{name}/cache", "SOURCE_DATE_EPOCH": EPOCH}
        run(*command, cwd=place, env={**os.environ, **variables})
        made = [path for path in (Path(name) / "app", Path(name) / "image.tar") if path.exists()]
        return " ".join(hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in made)


def run(*command: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program, and return what it printed. Ends this one with its message if it fails."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
