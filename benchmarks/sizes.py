"""Where the bytes of natively linked executables are, and what two commits of freezer make of the same applications.

    python benchmarks/sizes.py FILE ...
    python benchmarks/sizes.py --commits BEFORE [AFTER] [--application NAME ...] [--compress NAME ...] [--keep FOLDER]

Of a file, it prints the kinds of content with what they take compressed, the largest first: each file is compressed
alone, so the sum is a few percent more than the executable, in which files share what is alike. Of two commits, it
prints the sizes of each application for --compress fast and small; AFTER is the commit checked out, if it is not given.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import zstandard
from commits import CHECKOUT, EPOCH, install, run
from contestants import SAMPLES

from freezer.base import tar
from freezer.link.parts import names_of
from freezer.link.payload.choose import filters_of
from freezer.link.payload.filter import Filter, Kind, filtered
from freezer.link.payload.frames import parameters
from freezer.link.payload.read import find_payload, unpack_payload
from freezer.link.payload.sections import sections_of
from freezer.link.payload.tables import ChangedFile, changed_tables
from freezer.link.start import MODULES, PROGRAM
from freezer.plan.choices import CONTENTS, Packing

LIMITS = tar.Limits(entries=1 << 20, total=1 << 34)
FASTAPI = "import fastapi, uvicorn\nprint(fastapi.__version__, uvicorn.__version__)\n"
PACKINGS = ("fast", "small")
LEAST = 5000
"""Bytes of what has a line of its own."""


def main() -> int:
    """Print a table for each file, or one of two commits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", metavar="FILE", nargs="*", type=Path)
    parser.add_argument("--commits", metavar="COMMIT", nargs="+")
    parser.add_argument("--application", action="append", choices=[*SAMPLES, "fastapi"], metavar="NAME")
    parser.add_argument("--compress", action="append", choices=PACKINGS)
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--keep", metavar="FOLDER", type=Path)
    arguments = parser.parse_args()
    for path in arguments.file:
        print_file(path)
    if arguments.commits:
        with tempfile.TemporaryDirectory() as temporary:
            top = Path(arguments.keep or temporary)
            applications = arguments.application or [*SAMPLES, "fastapi"]
            packings = arguments.compress or PACKINGS
            print_commits([*arguments.commits, "HEAD"][:2], applications, packings, arguments.python, top)
    return 0


# One executable


def print_file(path: Path) -> None:
    """Print where the bytes of an executable are."""
    trailer = find_payload(path)
    if trailer is None:
        raise SystemExit(f"{path} is not linked natively")
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary) / "tree"
        unpack_payload(path, tree, limits=LIMITS)
        files, kinds = measured(tree, path.stem)
    whole = path.stat().st_size
    sizes = Counter({key: packed for key, (_, packed) in kinds.items()})
    print(f"\n{path.name}: {whole / 1e6:.2f} MB, {trailer.offset / 1e3:.0f} kB of it the launcher\n")
    for title, found in (("content", kinds), ("file", files)):
        print(f"| {title} | kB | compressed, kB | of the executable | |\n|---|---|---|---|---|")
        for key, (size, packed) in sorted(found.items(), key=lambda item: -item[1][1]):
            if packed >= LEAST:
                share = packed / whole
                print(f"| {key} | {size / 1e3:.0f} | {packed / 1e3:.0f} | {share:.1%} | {'█' * round(share * 60)} |")
        print()
    print(f"all files, each compressed alone: {sum(sizes.values()) / 1e6:.2f} MB")


def measured(tree: Path, name: str) -> tuple[dict[str, tuple[int, int]], dict[str, tuple[int, int]]]:
    """Return the bytes, plain and compressed, of each file, and of each kind of content."""
    inside = [str(item.relative_to(tree / CONTENTS)) for item in (tree / CONTENTS).rglob("*") if item.is_file()]
    names = names_of(name, [], inside)
    files: dict[str, tuple[int, int]] = {}
    kinds: dict[str, tuple[int, int]] = {}
    for path in sorted(tree.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        inner = str(path.relative_to(tree))
        content = stored(path, filters_of(path))
        files[inner] = (len(content), packed_size(content))
        for kind, part in parts_of(path, content, kind_of(inner, names.file)):
            before = kinds.get(kind, (0, 0))
            kinds[kind] = (before[0] + len(part), before[1] + packed_size(part))
    return files, kinds


def stored(path: Path, filters: tuple[Filter, ...]) -> bytes:
    """Return the content of a file as the payload has it before compression."""
    with open(path, "rb") as file:
        changed = ChangedFile(file, changed_tables(file, filters))
        return b"".join(filtered(changed.read, filters, path.stat().st_size, undo=False))


def packed_size(content: bytes) -> int:
    """Return the bytes that a content takes compressed."""
    return len(zstandard.ZstdCompressor(compression_params=parameters(Packing.FAST)).compress(content))


def kind_of(path: str, group: object) -> str:
    """Return what a file without sections is."""
    if path == MODULES:
        return "modules of Python"
    folder, _, below = path.partition("/")
    assert callable(group)
    return f"data: {group(below)[0]}" if folder == CONTENTS else f"data: {PROGRAM if path == PROGRAM else 'freezer'}"


def parts_of(path: Path, content: bytes, kind: str) -> Iterator[tuple[str, bytes]]:
    """Yield the sections of a library, with their names, and of another file all of it."""
    with open(path, "rb") as file:
        _, sections = sections_of(file, len(content))
    if not sections:
        yield kind, content
    for section in sections:
        code = any(item.kind is Kind.CODE for item in filters_of(path)) and section.name == ".text"
        yield f"{section.name}{' (code)' if code else ''}", content[section.offset : section.offset + section.size]


# Two commits


def print_commits(
    commits: Sequence[str], applications: Sequence[str], packings: Sequence[str], python: str, top: Path
) -> None:
    """Print the sizes of applications, built with each of two commits."""
    installed = [place(commit, top / f"freezer-{number}") for number, commit in enumerate(commits)]
    print("| application | --compress | MB before | MB after | after / before |\n|---|---|---|---|---|")
    for name in applications:
        for packing in packings:
            sizes = [made(freezer, name, packing, python).stat().st_size for freezer in installed]
            row = [name, packing, *(f"{size / 1e6:.2f}" for size in sizes), f"{sizes[1] / sizes[0]:.3f}"]
            print(f"| {' | '.join(row)} |", flush=True)


def place(commit: str, folder: Path) -> Path:
    """Return the directory of an installed commit, which is kept."""
    found = folder / "installed"
    return found if found.exists() else install(commit, folder)


def made(freezer: Path, name: str, packing: str, python: str) -> Path:
    """Return an application's executable, built unless it is there already."""
    output = freezer.parent / name.replace("+", "-") / packing
    if output.exists():
        return output
    output.parent.mkdir(exist_ok=True)
    if name == "fastapi":
        script, requirements = output.parent / "app.py", ("fastapi", "uvicorn")
        script.write_text(FASTAPI)
    else:
        script, requirements = SAMPLES[name].script, SAMPLES[name].requirements
    command = [sys.executable, "-m", "freezer", "build", script, "-o", output, "--python", python, "--no-verify"]
    command += ["--quiet", "--linker", "native", "--compress", packing]
    command += [word for requirement in requirements for word in ("--with", requirement)]
    cache = {"XDG_CACHE_HOME": str(freezer.parent / "cache")}
    run(
        *command,
        cwd=CHECKOUT.parent,
        env={**os.environ, "PYTHONPATH": str(freezer), "SOURCE_DATE_EPOCH": EPOCH, **cache},
    )
    return output


if __name__ == "__main__":
    sys.exit(main())
